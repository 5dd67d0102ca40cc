{{ dbt_experiments.input_view('excluded_unit') }}
