{{ dbt_experiments.input_view('eligible_unit') }}
