{{ dbt_experiments.input_view('unit_attribute') }}
