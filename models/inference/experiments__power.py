"""What each comparison can detect at its present precision, and what it still needs for its plan."""

from python_stats.analysis.precision import precision_now
from python_stats.analysis.typed_frame import POWER_COLUMNS, typed_frame

KEYS = ["exp_id", "metric_id", "variant_id", "population", "dimension", "segment"]


def model(dbt, session):
    dbt.config(materialized="table")
    effect = dbt.ref("experiments__effect").df()
    # Planning is about units that are assigned; who of them is exposed shows only afterwards.
    comparisons = dbt.ref("experiments__comparison").df().query("population == 'assigned'")
    plan = comparisons[[*KEYS, "alpha", "power", "alternative", "mde", "effect_scale"]]
    headline = effect[effect["is_headline"] & (effect["population"] == "assigned")]
    headline = headline.merge(plan, on=KEYS)
    found = precision_now(headline).assign(**headline[KEYS])
    return typed_frame(found, dict.fromkeys(KEYS, "string") | POWER_COLUMNS)
