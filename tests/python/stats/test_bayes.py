"""Bayesian comparisons: reference cases, closed forms, quadrature, invariances and cells without an answer."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import betainc, betaln, ndtr
from scipy.stats import beta as beta_distribution

from python_stats.bayes import PriorError, beta_binomial, normal_normal


def test_beta_binomial_matches_r(oracle_case):
    case = oracle_case("bayes_betabinomial")
    got = beta_binomial(*case.inputs["A"], *case.inputs["B"])
    case.check("p_B_gt_A", got.probability_greater)
    case.check("expected_loss_choose_B", got.loss_ship)
    case.check("expected_loss_choose_A", got.loss_keep)
    case.check("post_mean_A", got.mean_control)
    case.check("post_mean_B", got.mean_treatment)
    case.check("ci95_A", [got.ci_low_control, got.ci_high_control])
    case.check("ci95_B", [got.ci_low_treatment, got.ci_high_treatment])
    jeffreys = {"prior_successes": 0.5, "prior_failures": 0.5}
    for key, prior in (("small", {}), ("jeffreys", jeffreys)):
        got = beta_binomial(*case.inputs[key]["A"], *case.inputs[key]["B"], **prior)
        expected = case.expected[key]
        case.check(key, got.probability_greater, expected["p_B_gt_A"])
        case.check(key, got.loss_ship, expected["loss_B"])
        case.check(key, got.loss_keep, expected["loss_A"])


def test_lift_limits_match_the_monte_carlo_of_the_reference():
    # Quantiles 2.5 %, 50 %, 97.5 % of 4 million draws for 42/400 v 55/410; their Monte-Carlo error is about 0.0005.
    got = beta_binomial(42, 400, 55, 410)
    drawn = [-0.121667528694598, 0.272846994096468, 0.859462516979841]
    np.testing.assert_allclose([got.lift_ci_low, got.lift, got.lift_ci_high], drawn, atol=1e-3)


def test_normal_normal_matches_r(oracle_case):
    case = oracle_case("bayes_normal_normal")
    got = normal_normal(
        case.inputs["d"], case.inputs["se"], prior_mean=case.inputs["prior_mean"], prior_sd=case.inputs["prior_sd"]
    )
    case.check("mean", got.mean)
    case.check("sd", got.sd)
    case.check("p_gt0", got.probability_greater)
    case.check("lo", got.ci_low)
    case.check("hi", got.ci_high)
    case.check("loss_choose_B", got.loss_ship)
    case.check("loss_choose_A", got.loss_keep)


def exact_probability(a_c, b_c, a_t, b_t):
    """P(treatment > control) for whole-number parameters, a finite sum in exact fractions (Miller 2015)."""

    def beta_function(a, b):
        return Fraction(math.factorial(a - 1) * math.factorial(b - 1), math.factorial(a + b - 1))

    return float(
        sum(
            beta_function(a_c + i, b_c + b_t) / ((b_t + i) * beta_function(1 + i, b_t) * beta_function(a_c, b_c))
            for i in range(a_t)
        )
    )


@pytest.mark.parametrize(
    "counts", [(0, 5, 0, 5), (0, 30, 12, 30), (12, 30, 0, 30), (100, 200, 60, 220), (1, 400, 30, 40), (30, 40, 1, 400)]
)
def test_probability_is_the_finite_sum_to_the_last_digits(counts):
    hits_c, n_c, hits_t, n_t = counts
    got = beta_binomial(*counts)
    # P(T > C) as a sum over the treatment's successes, and P(C > T) with the arms exchanged: both tails are exact.
    args = (hits_c + 1, n_c - hits_c + 1, hits_t + 1, n_t - hits_t + 1)
    greater, less = exact_probability(*args), exact_probability(*args[2:], *args[:2])
    assert greater + less == pytest.approx(1.0)
    assert float(got.probability_greater) == pytest.approx(greater, rel=1e-9)
    assert float(got.probability_less) == pytest.approx(less, rel=1e-9)


def posterior_distribution_of_difference(a_c, b_c, a_t, b_t):
    def at(d):
        def integrand(x):
            return math.exp((a_c - 1) * math.log(x) + (b_c - 1) * math.log1p(-x) - betaln(a_c, b_c)) * betainc(
                a_t, b_t, min(max(x + d, 0.0), 1.0)
            )

        cut = sorted(x for x in (-d, 1 - d) if 0 < x < 1)
        return quad(integrand, 0, 1, points=cut or None, limit=200, epsabs=1e-11)[0]

    return at


@pytest.mark.parametrize(
    "counts", [(0, 10, 0, 10), (3, 10, 9, 12), (2, 30, 40, 4000), (40, 4000, 2, 30), (95, 100, 100, 100)]
)
def test_limits_of_the_difference_have_the_right_probability(counts):
    got = beta_binomial(*counts, alpha=0.1)
    args = (counts[0] + 1, counts[1] - counts[0] + 1, counts[2] + 1, counts[3] - counts[2] + 1)
    distribution = posterior_distribution_of_difference(*args)
    assert distribution(float(got.ci_low)) == pytest.approx(0.05, abs=2e-4)
    assert distribution(float(got.ci_high)) == pytest.approx(0.95, abs=2e-4)


def test_difference_is_integrated_over_the_arm_that_is_narrower_as_a_rate():
    # One success in ten million is wide as a logit but a spike as a rate; the difference is all the treatment's.
    for counts, sign in (((1, 10**7, 10**6, 10**7), 1.0), ((10**6, 10**7, 1, 10**7), -1.0)):
        got = beta_binomial(*counts)
        deviation = math.sqrt(0.1 * 0.9 / 10**7)
        assert float(got.ci_low) == pytest.approx(sign * 0.1 - 1.96 * deviation, abs=2e-3 * deviation)
        assert float(got.ci_high) == pytest.approx(sign * 0.1 + 1.96 * deviation, abs=2e-3 * deviation)


def test_limits_of_the_lift_have_the_right_probability():
    rng = np.random.default_rng(1)
    for counts in ((0, 10, 0, 10), (3, 50, 9, 60), (900, 10_000, 2, 40)):
        got = beta_binomial(*counts, alpha=0.2)
        c = beta_distribution.rvs(counts[0] + 1, counts[1] - counts[0] + 1, size=40_000, random_state=rng)
        t = beta_distribution.rvs(counts[2] + 1, counts[3] - counts[2] + 1, size=40_000, random_state=rng)
        for limit, probability in ((got.lift_ci_low, 0.1), (got.lift, 0.5), (got.lift_ci_high, 0.9)):
            # 4 Monte-Carlo errors of a share of 40 000 draws.
            assert np.mean(t / c - 1.0 <= float(limit)) == pytest.approx(probability, abs=0.01)


COUNTS = st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@settings(max_examples=25, deadline=None)
@given(control=COUNTS, treatment=COUNTS, prior=st.sampled_from([0.5, 1.0, 3.0]))
def test_identities(control, treatment, prior):
    both = {"prior_successes": prior, "prior_failures": prior}
    got, back = beta_binomial(*control, *treatment, **both), beta_binomial(*treatment, *control, **both)
    assert float(got.probability_greater + got.probability_less) == pytest.approx(1.0, abs=1e-9)
    assert float(got.loss_keep - got.loss_ship) == pytest.approx(float(got.effect), rel=1e-7, abs=1e-12)
    assert 0.0 <= float(got.loss_ship) <= 1.0
    # Exchange of the arms.
    assert float(back.probability_less) == pytest.approx(float(got.probability_greater), rel=1e-7, abs=1e-300)
    assert float(back.loss_keep) == pytest.approx(float(got.loss_ship), rel=1e-6, abs=1e-15)
    width = float(got.ci_high - got.ci_low)
    assert float(back.ci_low) == pytest.approx(-float(got.ci_high), abs=5e-3 * width)
    assert float(back.lift_ci_low + 1.0) == pytest.approx(1.0 / float(got.lift_ci_high + 1.0), rel=1e-3)
    # Exchange of success and failure.
    failures = beta_binomial(control[1] - control[0], control[1], treatment[1] - treatment[0], treatment[1], **both)
    assert float(failures.probability_less) == pytest.approx(float(got.probability_greater), rel=1e-7, abs=1e-300)
    assert float(failures.loss_keep) == pytest.approx(float(got.loss_ship), rel=1e-6, abs=1e-15)


def test_large_counts_reach_the_normal_limit_and_stay_accurate():
    # One in ten and the treatment 3 standard errors better, at a thousand million users.
    n = 10.0**9
    se = math.sqrt(2 * 0.09 / n)
    got = beta_binomial(0.1 * n, n, (0.1 + 3 * se) * n, n)
    assert float(got.probability_less) == pytest.approx(float(ndtr(-3.0)), rel=1e-3)
    assert float(got.ci_low) == pytest.approx(3 * se - 1.959964 * se, rel=1e-3)
    assert float(got.loss_keep - got.loss_ship) == pytest.approx(3 * se, rel=1e-6)


def test_trap_probabilities_keep_their_digits_far_from_one_half():
    got = beta_binomial([100, 300], 1000, [300, 100], 1000)
    # The smaller tail is an integral of its own, not 1 minus the other.
    assert 1e-32 < float(got.probability_less[0]) < 1e-25
    assert float(got.probability_greater[1]) == pytest.approx(float(got.probability_less[0]), rel=1e-9)
    assert 0.0 < float(got.loss_ship[0]) < 1e-26


def test_trap_normal_approximation_differs_at_small_counts():
    exact = float(beta_binomial(1, 10, 3, 10).probability_greater)
    mean, variance = 0.2, 0.1 * 0.9 / 10 + 0.3 * 0.7 / 10
    assert exact == pytest.approx(0.844611528822055, rel=1e-12)
    assert abs(exact - float(ndtr(mean / math.sqrt(variance)))) > 0.02


def test_flat_prior_gives_the_likelihood_and_a_strong_one_itself():
    flat = normal_normal(0.3, 0.1)
    assert float(flat.mean) == pytest.approx(0.3)
    assert float(flat.sd) == pytest.approx(0.1)
    assert float(flat.ci_low) == pytest.approx(0.3 - 0.1959964, rel=1e-6)
    strong = normal_normal(0.3, 0.1, prior_mean=-1.0, prior_sd=1e-6)
    assert float(strong.mean) == pytest.approx(-1.0, rel=1e-6)


@settings(max_examples=50, deadline=None)
@given(effect=st.floats(-5, 5), se=st.floats(0.1, 3), prior_sd=st.floats(0.1, 10), scale=st.floats(0.01, 100))
def test_normal_identities(effect, se, prior_sd, scale):
    got = normal_normal(effect, se, prior_sd=prior_sd)
    assert float(got.loss_keep - got.loss_ship) == pytest.approx(float(got.mean), rel=1e-9, abs=1e-12)
    back = normal_normal(-effect, se, prior_sd=prior_sd)
    assert float(back.probability_greater) == pytest.approx(float(got.probability_less), rel=1e-12)
    assert float(back.loss_ship) == pytest.approx(float(got.loss_keep), rel=1e-9)
    scaled = normal_normal(scale * effect, scale * se, prior_sd=scale * prior_sd)
    assert float(scaled.loss_ship) == pytest.approx(scale * float(got.loss_ship), rel=1e-6)
    assert float(scaled.probability_greater) == pytest.approx(float(got.probability_greater), rel=1e-9)
    combined = normal_normal(effect, se, prior_mean=effect, prior_sd=prior_sd)
    assert float(combined.sd) == pytest.approx((se**-2 + prior_sd**-2) ** -0.5)


def test_normal_loss_far_from_zero_is_positive_and_right():
    got = normal_normal([8.0, 30.0, -30.0], 1.0)
    # The integral of the normal survival function from 8 and from 30, by adaptive quadrature.
    assert float(got.loss_ship[0]) == pytest.approx(7.55026e-17, rel=1e-5)
    assert float(got.loss_ship[1]) == pytest.approx(1.63e-199, rel=0.02)
    assert float(got.loss_ship[2]) == pytest.approx(30.0)
    assert (got.probability_less > 0).all()


def test_bad_cells_are_nan_and_the_others_are_not_touched():
    got = beta_binomial([42, 42, 0, np.nan, -1, 500], [400, 400, 0, 400, 400, 400], [55, 500, 1, 1, 1, 1], 410)
    alone = beta_binomial(42, 400, 55, 410)
    for field in got._fields:
        values = getattr(got, field)
        assert float(values[0]) == pytest.approx(float(getattr(alone, field)), rel=1e-12)
        if not field.endswith(("_control", "_treatment")):
            assert np.isnan(values[1:]).all(), field
    assert np.isnan(got.mean_control[2:]).all()
    assert np.isnan(got.mean_treatment[1])
    normal = normal_normal([1.0, np.nan, 1.0, 1.0, np.inf], [1.0, 1.0, 0.0, -1.0, 1.0])
    for values in normal:
        assert np.isfinite(values[0])
        assert np.isnan(values[1:]).all()


def test_all_cells_at_once_equal_one_cell_at_a_time_and_shapes_broadcast():
    rng = np.random.default_rng(2)
    n = rng.integers(1, 3000, (2, 30))
    hits = rng.binomial(n, rng.choice([0.001, 0.1, 0.99], (2, 30)))
    alpha = np.resize([0.05, 0.2], 30)
    together = beta_binomial(hits[0], n[0], hits[1], n[1], alpha=alpha)
    for cell in range(30):
        alone = beta_binomial(hits[0, cell], n[0, cell], hits[1, cell], n[1, cell], alpha=alpha[cell])
        for field in alone._fields:
            np.testing.assert_allclose(getattr(together, field)[cell], getattr(alone, field), rtol=1e-7, atol=1e-12)
    wide = beta_binomial(hits[0], n[0], hits[1], n[1], alpha=[[0.05], [0.1]])
    assert wide.ci_low.shape == (2, 30)
    assert beta_binomial([], [], [], []).loss_ship.shape == (0,)


def test_wrong_arguments_are_refused_in_words():
    with pytest.raises(PriorError, match="prior parameter"):
        beta_binomial(1, 10, 2, 10, prior_successes=0.0)
    with pytest.raises(PriorError, match="prior_sd"):
        normal_normal(1.0, 1.0, prior_sd=0.0)
    with pytest.raises(PriorError, match="prior_mean"):
        normal_normal(1.0, 1.0, prior_mean=np.nan)
    with pytest.raises(ValueError, match="alpha"):
        beta_binomial(1, 10, 2, 10, alpha=0.0)
