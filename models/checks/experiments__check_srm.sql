-- Are the assigned units shared out as planned? For a reader who looks once.

{{ dbt_experiments.sample_ratio_check('srm', end_of_message='.') }}
