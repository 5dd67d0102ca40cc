{{ dbt_experiments.input_view('kpi_event') }}
