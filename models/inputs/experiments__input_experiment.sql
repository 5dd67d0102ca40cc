{{ dbt_experiments.input_view('experiment') }}
