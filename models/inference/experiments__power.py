"""What each comparison can detect at its present precision, and what it still needs for its plan."""

from python_stats.analysis.judgement.precision import precision_now
from python_stats.analysis.table.comparisons import COMPARISON_KEYS
from python_stats.analysis.table.typed_frame import POWER_COLUMNS, typed_frame


def model(dbt, session):
    dbt.config(materialized="table")
    effect = dbt.ref("experiments__effect").df()
    # Planning is about units that are assigned; who of them is exposed shows only afterwards.
    comparisons = dbt.ref("experiments__comparison").df().query("population == 'assigned'")
    plan = comparisons[[*COMPARISON_KEYS, "alpha", "power", "alternative", "mde", "effect_scale"]]
    headline = effect[effect["is_headline"] & (effect["population"] == "assigned")]
    return typed_frame(precision_now(headline.merge(plan, on=[*COMPARISON_KEYS])), POWER_COLUMNS)
