{{ dbt_experiments.input_view('assignment') }}
