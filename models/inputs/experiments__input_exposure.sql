{{ dbt_experiments.input_view('exposure') }}
