{{ dbt_experiments.input_view('traffic_change') }}
