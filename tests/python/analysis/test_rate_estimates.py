"""Rates with few events."""

import numpy as np
import pytest
from scipy.stats import fisher_exact

from python_stats.analysis.estimators.rate_estimates import rate_estimates
from python_stats.analysis.settings import Settings
from python_stats.analysis.table.estimate_rows import frame_of
from python_stats.rates.proportion_score import miettinen_nurminen_interval


def units(successes: int, n: int) -> dict[str, np.ndarray]:
    return {"numerator": np.r_[np.ones(successes), np.zeros(n - successes)]}


@pytest.fixture
def rates(comparison, frame):
    def run(*pairs, exact_below=10, **plan):
        rows = [
            comparison(units(*c), units(*t), metric_id=str(i), metric_type="proportion", **plan)
            for i, (c, t) in enumerate(pairs)
        ]
        return frame_of(rate_estimates(frame(*rows), settings=Settings(exact_below=exact_below)))

    return run


def test_few_events_are_tested_by_fisher_with_score_intervals(rates):
    row = rates(((2, 40), (9, 45))).iloc[0]
    assert row["estimator"] == "exact" and row["status"] == "ok"
    assert row["p_value"] == pytest.approx(fisher_exact([[2, 38], [9, 36]])[1], rel=1e-9)
    interval = miettinen_nurminen_interval(2, 40, 9, 45)
    assert (row["effect_ci_low"], row["effect_ci_high"]) == pytest.approx(tuple(float(x) for x in interval))
    assert row["effect"] == pytest.approx(9 / 45 - 2 / 40)
    assert row["lift"] == pytest.approx((9 / 45) / (2 / 40) - 1)
    assert row["lift_ci_low"] < row["lift"] < row["lift_ci_high"] and row["lift_method"] == "score"


def test_only_small_counts_and_wishes_are_tested_exactly(rates):
    assert rates(((200, 400), (210, 400))).empty
    assert len(rates(((200, 400), (210, 400)), estimator="exact")) == 1
    # Failures count as much as successes, and the smaller arm decides.
    assert len(rates(((395, 400), (390, 400)), ((20, 40), (3000, 6000)))) == 1


def test_nobody_or_everybody_is_no_test(rates):
    assert rates(((0, 40), (0, 50)), ((40, 40), (50, 50))).empty


def test_a_control_without_successes_has_an_effect_but_no_lift(rates):
    row = rates(((0, 40), (5, 40))).iloc[0]
    assert row["effect"] == pytest.approx(0.125) and row["p_value"] < 0.06
    assert np.isnan(row["lift"]) and np.isnan(row["lift_ci_low"]) and row["lift_method"] is None


def test_swapping_the_arms_turns_effect_and_interval(rates):
    forth, back = rates(((2, 40), (9, 45)), ((9, 45), (2, 40))).to_dict("records")
    assert forth["effect"] == pytest.approx(-back["effect"]) and forth["p_value"] == pytest.approx(back["p_value"])
    assert forth["effect_ci_low"] == pytest.approx(-back["effect_ci_high"])


def test_one_sided_tests_have_one_sided_intervals(rates):
    row = rates(((2, 40), (9, 45)), alternative="greater").iloc[0]
    assert row["p_value"] == pytest.approx(fisher_exact([[9, 36], [2, 38]], alternative="greater")[1], rel=1e-9)
    assert row["effect_ci_high"] == np.inf and row["lift_ci_high"] == np.inf


def test_means_and_clusters_are_left_alone(comparison, frame):
    rows = [
        comparison(units(2, 40), units(9, 45), metric_id="mean"),
        comparison(units(2, 40), units(9, 45), metric_id="clustered", metric_type="proportion", is_clustered=True),
    ]
    assert frame_of(rate_estimates(frame(*rows))).empty
