{{ dbt_experiments.input_view('variant') }}
