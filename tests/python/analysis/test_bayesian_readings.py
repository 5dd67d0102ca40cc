"""Posterior readings beside the tests."""

import numpy as np
import pytest
from scipy.stats import beta, norm

from python_stats.analysis.effects import effects
from python_stats.analysis.settings import Settings


def reading(table, **settings):
    estimates = effects(table, {}, settings=Settings(**settings))
    return estimates[estimates["estimator"] == "bayes"].iloc[0], estimates[estimates["is_headline"]].iloc[0]


def test_rates_have_beta_posteriors(comparison, frame):
    units = [{"numerator": np.r_[np.ones(k), np.zeros(n - k)]} for k, n in ((30, 200), (45, 210))]
    row, _ = reading(frame(comparison(*units, metric_type="proportion")))
    rng = np.random.default_rng(4)
    draws = [beta(1 + k, 1 + n - k).rvs(400_000, random_state=rng) for k, n in ((30, 200), (45, 210))]
    difference = draws[1] - draws[0]
    assert row["probability_greater"] == pytest.approx((difference > 0).mean(), abs=4e-3)
    assert row["loss_ship"] == pytest.approx(np.maximum(-difference, 0).mean(), rel=0.1)
    assert row["effect"] == pytest.approx(difference.mean(), abs=2e-4)
    assert row["effect_se"] == pytest.approx(difference.std(), rel=5e-3)
    assert [row["effect_ci_low"], row["effect_ci_high"]] == pytest.approx(
        np.quantile(difference, [0.025, 0.975]), abs=5e-4
    )


def test_other_metrics_have_a_normal_posterior_around_the_headline(comparison, frame):
    rng = np.random.default_rng(1)
    before = [rng.normal(10, 2, 300) for _ in range(2)]
    units = [{"numerator": x + rng.normal(i, 1, 300) * 0.2, "covariate": x} for i, x in enumerate(before)]
    row, headline = reading(frame(comparison(*units)))
    assert headline["estimator"] == "cuped"
    assert row["probability_greater"] == pytest.approx(norm.cdf(headline["effect"] / headline["effect_se"]))
    assert row["effect"] == pytest.approx(headline["effect"]) and np.isnan(row["p_value"])
    shrunk, _ = reading(frame(comparison(*units)), prior_lift_sd=0.001)
    assert abs(shrunk["effect"]) < abs(row["effect"]) and shrunk["effect_se"] < row["effect_se"]


def test_swapping_the_arms_swaps_the_losses(comparison, frame):
    rng = np.random.default_rng(6)
    units = [{"numerator": rng.normal(i * 0.1, 1, 100)} for i in range(2)]
    forth, _ = reading(frame(comparison(*units)))
    back, _ = reading(frame(comparison(*reversed(units))))
    assert forth["loss_ship"] == pytest.approx(back["loss_keep"])
    assert forth["probability_greater"] == pytest.approx(1 - back["probability_greater"])


def test_no_standard_error_no_posterior(comparison, frame):
    units = [{"numerator": np.ones(10)}, {"numerator": np.ones(12)}]
    estimates = effects(frame(comparison(*units)), {}, settings=Settings())
    assert estimates["estimator"].tolist() == ["difference"] and estimates["status"].tolist() == ["zero_variance"]
