"""From bucket totals to rows."""

import numpy as np
import pandas as pd
import pytest

from python_stats.analysis.estimators.bucket_estimates import MIN_CLUSTERS, MIN_NONZERO_UNITS, bucket_estimates
from python_stats.analysis.table.estimate_rows import frame_of
from python_stats.means.resampling import bootstrap_difference, permutation_test

RNG = np.random.default_rng(14)
DRAWS, BUCKETS = 499, 60


def units(size, mean=1.0):
    return np.where(RNG.random(size) < 0.6, RNG.lognormal(mean, 1.0, size), 0.0)


CONTROL, TREATMENT = units(900), units(700, 1.3)


def totals(values, denominator=None, buckets=BUCKETS):
    bucket = np.arange(len(values)) % buckets
    below = np.ones(len(values)) if denominator is None else denominator
    return np.stack([np.bincount(bucket, x, minlength=buckets) for x in (values, below)], axis=1)


@pytest.fixture
def rows(comparison, frame):
    """``rows((control, treatment), …)``: comparisons of unit values, or of pairs of numerator and denominator."""

    def run(*pairs, estimator="bootstrap", buckets=(BUCKETS, BUCKETS), shuffled=False, **plan):
        comparisons, cells = [], []
        for key, pair in enumerate(pairs):
            ratio = isinstance(pair[0], tuple)
            columns = [
                {"numerator": arm[0], "denominator": arm[1]} if ratio else {"numerator": np.asarray(arm)}
                for arm in pair
            ]
            own = {"plan_key": key, "metric_id": str(key), "estimator": estimator,
                   "metric_type": "ratio" if ratio else "mean", **plan}  # fmt: skip
            comparisons.append(comparison(*columns, **own))
            for variant, arm, size in zip("ct", columns, buckets, strict=True):
                sums = totals(arm["numerator"], arm.get("denominator"), size)
                place = np.arange(len(arm["numerator"])) % size
                cells.append(
                    pd.DataFrame(
                        {
                            "plan_key": key, "variant_id": variant, "bucket": range(size), "buckets": size,
                            "n": np.bincount(place, minlength=size),
                            "n_nonzero": np.bincount(place, arm["numerator"] != 0, minlength=size),
                            "total_numerator": sums[:, 0], "total_denominator": sums[:, 1],
                        }
                    )
                )  # fmt: skip
        table = pd.concat(cells).query("n > 0")
        if shuffled:
            table = table.sample(frac=1, random_state=1)
        return frame_of(bucket_estimates(frame(*comparisons), table, draws=DRAWS))

    return run


def test_the_bootstrap_row_is_the_librarys(rows):
    row = rows((CONTROL, TREATMENT)).iloc[0]
    want = bootstrap_difference(totals(CONTROL), totals(TREATMENT), draws=DRAWS)
    assert row["effect"] == pytest.approx(TREATMENT.mean() - CONTROL.mean())
    for column, value in {
        "effect_se": want.se, "effect_ci_low": want.ci_low, "p_value": want.p_value, "lift_ci_low": want.lift_ci_low,
        "lift_ci_high": want.lift_ci_high, "statistic": want.effect / want.se, "df": want.df,
    }.items():  # fmt: skip
        assert row[column] == pytest.approx(float(value), rel=1e-12)
    assert row["status"] == "ok" and row["lift_method"] == "bootstrap" and not row["is_unadjusted"]
    # The control's part of the variance, by the units themselves; estimated from 60 buckets.
    assert row["control_variance"] == pytest.approx(CONTROL.var(ddof=1) / len(CONTROL), rel=0.5)
    assert row["control_variance"] < row["effect_se"] ** 2


def test_the_permutation_row_is_the_librarys_for_any_split(rows):
    for buckets in ((BUCKETS, BUCKETS), (BUCKETS, 20)):
        row = rows((CONTROL, TREATMENT), estimator="permutation", buckets=buckets).iloc[0]
        want = permutation_test(
            totals(CONTROL, buckets=buckets[0]), totals(TREATMENT, buckets=buckets[1]), draws=DRAWS
        )  # fmt: skip
        assert (row["statistic"], row["p_value"]) == pytest.approx((float(want.statistic), float(want.p_value)))
        assert row["effect_se"] == pytest.approx(row["effect"] / row["statistic"])
        assert row["lift"] == pytest.approx(TREATMENT.mean() / CONTROL.mean() - 1)
        assert np.isnan(row["effect_ci_low"]) and np.isnan(row["lift_ci_high"])


def test_a_row_does_not_depend_on_its_neighbours_or_on_the_order_of_the_buckets(rows):
    pairs = (CONTROL, TREATMENT), (units(500), units(600)), (TREATMENT, CONTROL)
    for estimator in ("bootstrap", "permutation"):
        alone = rows(pairs[0], estimator=estimator).drop(columns="metric_id").iloc[0]
        among = (
            rows(*pairs, estimator=estimator, shuffled=True).query("metric_id == '0'").drop(columns="metric_id").iloc[0]
        )
        pd.testing.assert_series_equal(alone, among, check_names=False)


def test_shift_scale_and_swap(rows):
    plain, moved, wide, back = rows(
        (CONTROL, TREATMENT), (CONTROL + 50, TREATMENT + 50), (7 * CONTROL, 7 * TREATMENT), (-CONTROL, -TREATMENT)
    ).to_dict("records")
    for column in ("effect", "effect_se", "effect_ci_low", "effect_ci_high"):
        assert moved[column] == pytest.approx(plain[column], rel=1e-9)
        assert wide[column] == pytest.approx(7 * plain[column], rel=1e-9)
    assert back["effect_ci_low"] == pytest.approx(-plain["effect_ci_high"], rel=1e-9)
    # Trap: a negative control mean turns neither the lift nor its limits away from the effect.
    assert np.sign(back["lift"]) == np.sign(back["effect"])
    assert back["lift_ci_low"] == pytest.approx(-plain["lift_ci_high"], rel=1e-9)
    forth, swapped = rows((CONTROL, TREATMENT), (TREATMENT, CONTROL), estimator="permutation").to_dict("records")
    assert swapped["effect"] == pytest.approx(-forth["effect"])
    assert swapped["statistic"] == pytest.approx(-forth["statistic"])


def test_ratios_are_ratios_of_totals(rows):
    views = RNG.poisson(5, 900), RNG.poisson(6, 700)
    clicks = [RNG.binomial(v, 0.3) for v in views]
    pair = tuple((c.astype(float), v.astype(float)) for c, v in zip(clicks, views, strict=True))
    for estimator in ("bootstrap", "permutation"):
        row = rows(pair, estimator=estimator).iloc[0]
        assert row["effect"] == pytest.approx(clicks[1].sum() / views[1].sum() - clicks[0].sum() / views[0].sum())
        assert row["status"] == "ok"


def test_what_cannot_be_tested_says_why(rows):
    few = np.r_[np.zeros(500), np.arange(1.0, MIN_NONZERO_UNITS)]
    table = rows((CONTROL, TREATMENT), (few, TREATMENT), (np.full(900, 0.1), np.full(700, 0.1)))
    assert list(table["status"]) == ["ok", "too_few_units", "zero_variance"]
    numbers = ["effect_se", "effect_ci_low", "effect_ci_high", "lift_ci_low", "lift_ci_high", "p_value", "statistic"]
    assert table.loc[1:, numbers].isna().all(axis=None) and table.loc[0, numbers].notna().all()
    assert table["effect"].notna().all()
    nothing = (few, np.zeros(len(few))), (TREATMENT, TREATMENT)
    assert list(rows(nothing)["status"]) == ["zero_denominator"]
    assert list(rows((CONTROL, TREATMENT), estimator="permutation", buckets=(60, 4))["status"]) == ["too_few_units"]


def test_lopsided_arms_need_more_units_to_bootstrap(rows):
    """The skewness of the small arm is not balanced by that of the large one."""
    small, double, large = (np.r_[np.zeros(size), units(size) + 1] for size in (400, 800, 1000))
    table = rows((large, small), (double, small), (np.r_[large, large, large], large))
    assert list(table["status"]) == ["too_few_units", "ok", "ok"]
    assert list(rows((large, small), estimator="permutation")["status"]) == ["ok"]


def test_trap_few_clusters_are_not_bootstrapped(rows):
    for clusters, status in ((MIN_CLUSTERS, "ok"), (MIN_CLUSTERS - 1, "too_few_clusters")):
        plan = {"is_clustered": True, "clusters_control": 400, "clusters_treatment": clusters}
        assert list(rows((CONTROL, TREATMENT), **plan)["status"]) == [status]
    assert list(rows((CONTROL, TREATMENT), estimator="permutation", **plan)["status"]) == ["ok"]


def test_trap_one_sided_tests_have_one_sided_intervals(rows):
    row = rows((CONTROL, TREATMENT), alternative="greater").iloc[0]
    assert row["effect_ci_high"] == np.inf and row["lift_ci_high"] == np.inf and np.isfinite(row["effect_ci_low"])


def test_only_plans_that_ask_have_rows(rows, comparison, frame):
    assert rows((CONTROL, TREATMENT), estimator="cuped").empty
    assert rows((CONTROL, TREATMENT), control_variant_id="nobody").empty
    table = frame(comparison({"numerator": CONTROL}, {"numerator": TREATMENT}, estimator="bootstrap"))
    assert frame_of(bucket_estimates(table, pd.DataFrame())).empty
