-- Are the assigned units shared out as planned? By a test that may be read every day.

{{ dbt_experiments.sample_ratio_check('srm_sequential', end_of_message=' (may be read every day).') }}
