"""From rank sums to rows."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from python_stats.analysis.estimators.rank_estimates import rank_estimates
from python_stats.analysis.table.estimate_rows import frame_of

RNG = np.random.default_rng(12)
CONTROL = np.where(RNG.random(180) < 0.5, RNG.poisson(3, 180), 0).astype(float)
TREATMENT = np.where(RNG.random(140) < 0.6, RNG.poisson(4, 140), 0).astype(float)


@pytest.fixture
def ranked(comparison, frame):
    """``ranked((control, treatment), …)``: the rows, with rank sums as SQL computes them."""

    def run(*pairs, **plan):
        rows, sums = [], []
        for key, (control, treatment) in enumerate(pairs):
            ranks = stats.rankdata(np.concatenate([control, treatment]))
            _, ties = np.unique(ranks, return_counts=True)
            own = ranks[: len(control)], ranks[len(control) :]
            place = [
                (own[0] - stats.rankdata(control)) / len(treatment),
                (own[1] - stats.rankdata(treatment)) / len(control),
            ]
            units = {"numerator": control}, {"numerator": treatment}
            rows.append(
                comparison(*units, **{"plan_key": key, "metric_id": str(key), "estimator": "mann_whitney", **plan})
            )
            sums.append(
                {
                    "plan_key": key, "variant_id": "t", "n_control": len(control), "n_treatment": len(treatment),
                    "rank_sum_treatment": own[1].sum(), "tie_term": float((ties**3 - ties).sum()),
                    "var_placement_control": place[0].var(ddof=1), "var_placement_treatment": place[1].var(ddof=1),
                }
            )  # fmt: skip
        return frame_of(rank_estimates(frame(*rows), pd.DataFrame(sums)))

    return run


def test_the_row_is_scipys_mann_whitney_and_brunner_munzels_interval(ranked):
    row = ranked((CONTROL, TREATMENT)).iloc[0]
    want = stats.mannwhitneyu(TREATMENT, CONTROL, method="asymptotic")
    assert row["p_value"] == pytest.approx(want.pvalue, rel=1e-9)
    assert row["effect"] == pytest.approx(want.statistic / 180 / 140 - 0.5)
    assert row["effect"] / row["effect_se"] == pytest.approx(
        -stats.brunnermunzel(TREATMENT, CONTROL).statistic, rel=1e-9
    )
    assert row["effect_ci_low"] < row["effect"] < row["effect_ci_high"]
    assert row["status"] == "ok" and not row["is_unadjusted"] and "lift" not in row


def test_ranks_do_not_change_with_any_increasing_transformation(ranked):
    plain, shifted, bent = (
        ranked((f(CONTROL), f(TREATMENT))).iloc[0]
        for f in (lambda x: x, lambda x: 5 * x - 300, lambda x: np.expm1(x) + 2)
    )
    for column in ("effect", "effect_se", "effect_ci_low", "statistic", "p_value"):
        assert plain[column] == pytest.approx(shifted[column], rel=1e-12)
        assert plain[column] == pytest.approx(bent[column], rel=1e-12)


def test_swapping_the_arms_turns_effect_and_interval(ranked):
    forth, back = ranked((CONTROL, TREATMENT), (TREATMENT, CONTROL)).to_dict("records")
    assert forth["effect"] == pytest.approx(-back["effect"]) and forth["p_value"] == pytest.approx(back["p_value"])
    assert forth["effect_ci_low"] == pytest.approx(-back["effect_ci_high"])


def test_few_units_have_a_test_and_no_interval(ranked):
    row = ranked((CONTROL, TREATMENT[:99])).iloc[0]
    assert row["status"] == "ok" and row["p_value"] > 0
    assert np.isnan([row["effect_se"], row["effect_ci_low"], row["effect_ci_high"]]).all()


def test_trap_all_units_tied_has_no_test(ranked):
    row = ranked((np.zeros(20), np.zeros(30))).iloc[0]
    assert (row["effect"], row["status"]) == (0.0, "zero_variance")
    assert np.isnan(row[["p_value", "effect_se", "effect_ci_low", "effect_ci_high"]].astype(float)).all()


def test_complete_separation_has_a_test_but_no_interval(ranked):
    row = ranked((np.arange(8.0), np.arange(8.0) + 20)).iloc[0]
    assert row["effect"] == 0.5 and row["p_value"] < 1e-3 and row["status"] == "ok"
    assert np.isnan(row[["effect_se", "effect_ci_low", "effect_ci_high"]].astype(float)).all()


def test_only_plans_that_ask_have_rows(ranked, comparison, frame):
    assert ranked((CONTROL, TREATMENT), estimator="difference").empty
    assert frame_of(
        rank_estimates(frame(comparison({"numerator": CONTROL}, {"numerator": TREATMENT})), pd.DataFrame())
    ).empty
