{{ dbt_experiments.input_view('metric') }}
