{% macro decision_reasons() %}
  {#-
    Every reason of a decision: the decision that it leads to, and when it applies. In the order in which the rule of
    experiments__treatment_decision is applied; the first that applies decides. docs/marts.md shows this list.
  -#}
  {{ return({
      'unusable_configuration': {
          'decision': 'invalid',
          'when': 'the configuration cannot be used: `no_variants`, `no_control` or `bad_traffic`',
      },
      'failed_check': {
          'decision': 'invalid',
          'when': 'a health check fails',
      },
      'guardrail_stopped': {
          'decision': 'do_not_ship',
          'when': 'running and not complete (as below): a guardrail is violated by a test that may be read every day',
      },
      'before_minimum_duration': {
          'decision': 'keep_running',
          'when': 'running, and before `min_duration_days`',
      },
      'windows_open': {
          'decision': 'keep_running',
          'when': 'ended, less than 95 % of the units have completed their window, and no crossed boundary decides',
      },
      'maximum_duration': {
          'decision': 'inconclusive',
          'when': 'running for `max_duration_days` and not complete, and no crossing decides',
      },
      'crossing_not_kept': {
          'decision': 'keep_running',
          'when': 'not complete: a gain was crossed, and the estimate has not kept its side',
      },
      'units_missing': {
          'decision': 'keep_running',
          'when': 'running with fewer mature units than `planned_units`, and no crossing decides',
      },
      'boundary_not_crossed': {
          'decision': 'keep_running',
          'when': 'running with a sequential method and no planned end, and no crossing decides',
      },
      'open_without_plan': {
          'decision': 'keep_running',
          'when': 'running without `planned_units`, and the test that may be read every day shows nothing',
      },
      'worse_then_turned': {
          'decision': 'do_not_ship',
          'when': 'some primary metric crossed for harm, and the estimate has turned since',
      },
      'primary_worse': {
          'decision': 'do_not_ship',
          'when': 'some primary metric is worse: significantly, by the side that crossed first, or in a one-sided plan that sees harm',
      },
      'guardrail_violated': {
          'decision': 'do_not_ship',
          'when': 'some guardrail is violated',
      },
      'untested_so_far': {
          'decision': 'keep_running',
          'when': 'running, and some primary metric has no test, or none is planned',
      },
      'untested': {
          'decision': 'inconclusive',
          'when': 'some primary metric has no test, or none is planned',
      },
      'gain_not_kept': {
          'decision': 'inconclusive',
          'when': 'some primary metric crossed for gain, and the estimate has turned since',
      },
      'better_by_too_little': {
          'decision': 'not_practical',
          'when': 'all primary metrics are significantly better, and for some the interval lies below the `mde`',
      },
      'better': {
          'decision': 'ship',
          'when': 'all primary metrics are significantly better, each with an `mde` is practical, and no guardrail is undecided',
      },
      'not_inferior': {
          'decision': 'ship',
          'when': 'the goal of some primary metrics is a margin (and no `mde`), which holds; the others are better; no guardrail is undecided',
      },
      'crossed_with_open_guardrail': {
          'decision': 'keep_running',
          'when': 'running before the plan is complete: a boundary is crossed, and some guardrail is undecided',
      },
      'crossed_with_open_size': {
          'decision': 'keep_running',
          'when': 'running before the plan is complete: a boundary is crossed, and it is open whether by as much as the `mde`',
      },
      'better_with_open_guardrail': {
          'decision': 'inconclusive',
          'when': 'all primary metrics are significantly better or reach their goal, and some guardrail is undecided',
      },
      'better_with_open_size': {
          'decision': 'inconclusive',
          'when': 'all primary metrics are significantly better, and it is open whether by as much as the `mde`',
      },
      'no_difference': {
          'decision': 'inconclusive',
          'when': 'everything else: no clear difference',
      },
  }) }}
{% endmacro %}
