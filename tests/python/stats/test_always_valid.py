"""mSPRT against confseq, asymptotic confidence sequences against confseq, sequential.causal and GrowthBook."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from python_stats.sequential.always_valid import (
    MixtureError,
    asymptotic_cs,
    asymptotic_cs_rho,
    asymptotic_cs_two_arm,
    msprt,
    msprt_pairs,
    msprt_two_arm,
    running_minimum,
)
from python_stats.wald import AlphaError, UnknownAlternativeError

# One experiment of the reference case asymp_cs_two_arm (conversion rates).
ARMS = (0.1042, 0.09334236, 5210.0, 0.1256, 0.10982464, 5158.0)


# Reference cases ------------------------------------------------------------------------------------------------------


def test_msprt_two_streams(oracle_case):
    case = oracle_case("msprt_two_stream")
    table, inputs = case.table(), case.inputs
    pairs = np.arange(1, table["i"].size + 1)
    mean = np.cumsum(table["treatment"] - table["control"]) / pairs
    got = msprt_pairs(mean, pairs, unit_variance=inputs["sigma"] ** 2, tau=inputs["tau"], null=inputs["theta0"])
    at = np.array(inputs["at_n"]) - 1
    case.check("at_n", pairs[at])
    case.check("mean_diff", got.effect[at])
    case.check("log_lambda", got.log_likelihood_ratio[at])
    case.check("lambda", np.exp(got.log_likelihood_ratio[at]))
    case.check("p_instant", got.p_value_at_look[at])
    case.check("p_always_valid_running_min", got.p_value[at])
    case.check("first_n_reject_05", pairs[np.argmax(got.p_value <= 0.05)])


def test_asymptotic_confidence_sequence(oracle_case):
    case = oracle_case("asymp_cs_two_arm")
    i = case.inputs
    arms = [i[key] for key in ("mean_a", "var_a", "n_a", "mean_b", "var_b", "n_b")]
    for name in ("t1000", "t5000", "t20000"):
        want = case.expected[name]
        options = {"alpha": i["alpha"], "target_n": want["t_opt"]}
        taylor = asymptotic_cs_two_arm(*arms, **options)
        exact = asymptotic_cs_two_arm(*arms, rho_method="lambert_w", **options)
        case.check("diff", taylor.effect)
        case.check("se", taylor.se)
        case.check(name, asymptotic_cs_rho(want["t_opt"], alpha=i["alpha"]), want["rho_approx"])
        case.check(
            name, asymptotic_cs_rho(want["t_opt"], alpha=i["alpha"], method="lambert_w"), want["rho_exact_lambertW"]
        )
        case.check(name, (taylor.ci_high - taylor.ci_low) / 2, want["halfwidth_rho_approx"])
        case.check(name, [taylor.ci_low, taylor.ci_high], want["ci95_rho_approx"])
        case.check(name, (exact.ci_high - exact.ci_low) / 2, want["halfwidth_rho_exact"])
        case.check(name, taylor.p_value, want["p_rho_approx"])


def test_literal_values():
    # R confseq 0.0.4 = PyPI msprt 0.1.2 (msprt_two_stream): log-likelihood ratio after 10 and after 200 pairs.
    got = msprt_pairs([-1.34547, 0.692361], [10, 200], unit_variance=4.0, tau=0.5)
    np.testing.assert_allclose(got.log_likelihood_ratio, [0.133421463820679, 4.17505696299128], rtol=1e-9)
    # gbstats SequentialTwoSidedTTest = R confseq (asymp_cs_two_arm.t5000).
    cs = asymptotic_cs_two_arm(*ARMS, target_n=5000)
    np.testing.assert_allclose(
        [cs.ci_low, cs.ci_high, cs.p_value], [0.00221339298365462, 0.0405866070163454, 0.0169801175491872], rtol=1e-9
    )


# What the numbers are -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("effect", "se", "tau"), [(0.3, 0.2, 0.5), (-1.0, 0.4, 0.1), (0.0, 2.0, 3.0)])
def test_likelihood_ratio_is_the_integral_over_the_prior(effect, se, tau):
    def ratio(theta):
        return np.exp((effect * theta - theta**2 / 2) / se**2 - theta**2 / (2 * tau**2)) / (np.sqrt(2 * np.pi) * tau)

    whole = quad(ratio, -12 * tau, 12 * tau, epsabs=0, epsrel=1e-11, limit=200)[0]
    upper = 2 * quad(ratio, 0, 12 * tau, epsabs=0, epsrel=1e-11, limit=200)[0]
    lower = 2 * quad(ratio, -12 * tau, 0, epsabs=0, epsrel=1e-11, limit=200)[0]
    for alternative, want in (("two_sided", whole), ("greater", upper), ("less", lower)):
        got = msprt(effect, se, tau=tau, alternative=alternative).log_likelihood_ratio
        assert np.exp(got) == pytest.approx(want, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    effect=st.floats(-5, 5),
    se=st.floats(0.01, 3),
    tau=st.floats(0.01, 3),
    alpha=st.floats(0.001, 0.45),
    alternative=st.sampled_from(["two_sided", "greater", "less"]),
)
def test_interval_is_the_set_of_nulls_not_rejected(effect, se, tau, alpha, alternative):
    result = msprt(effect, se, tau=tau, alpha=alpha, alternative=alternative)
    for limit in (result.ci_low, result.ci_high):
        if np.isfinite(limit):
            at_limit = msprt(effect, se, tau=tau, alternative=alternative, null=limit)
            assert at_limit.p_value == pytest.approx(alpha, rel=1e-6)
    assert np.isinf(result.ci_high) == (alternative == "greater")
    assert np.isinf(result.ci_low) == (alternative == "less")
    if abs(float(result.p_value) / alpha - 1) > 1e-6:
        assert (result.ci_low > 0 or result.ci_high < 0) == (result.p_value < alpha)


def test_asymptotic_sequence_is_the_msprt_with_a_prior_in_unit_standard_deviations():
    n = np.array([200.0, 1000.0, 5000.0])
    se = 3.0 / np.sqrt(n)
    cs = asymptotic_cs([0.5, 0.2, 0.15], se, n, rho=0.05)
    test = msprt([0.5, 0.2, 0.15], se, tau=0.05 * 3.0)
    for got, want in zip(cs, test, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)


def test_sequence_is_wider_than_the_fixed_interval_and_narrowest_near_its_target():
    n = np.geomspace(100, 1e6, 81)
    width = np.array([asymptotic_cs(0.0, 1.0 / np.sqrt(n), n, target_n=target).ci_high for target in (1e3, 1e4, 1e5)])
    assert np.all(width > 1.959964 / np.sqrt(n))
    for row, target in enumerate((1e3, 1e4, 1e5)):
        assert np.argmin(width[:, np.argmin(np.abs(n - target))]) == row
    exact = asymptotic_cs_rho(1e4, method="lambert_w")
    half = [asymptotic_cs(0.0, 0.01, 1e4, rho=exact * factor).ci_high for factor in (0.98, 1.0, 1.02)]
    assert np.argmin(half) == 1


@settings(max_examples=40, deadline=None)
@given(factor=st.floats(1e-6, 1e6), shift=st.floats(-100, 100))
def test_scale_and_shift(factor, shift):
    mean_c, var_c, n_c, mean_t, var_t, n_t = ARMS
    base = asymptotic_cs_two_arm(*ARMS, target_n=5000)
    moved = asymptotic_cs_two_arm(
        (mean_c + shift) * factor,
        var_c * factor**2,
        n_c,
        (mean_t + shift) * factor,
        var_t * factor**2,
        n_t,
        target_n=5000,
    )
    assert moved.ci_low == pytest.approx(base.ci_low * factor, rel=1e-8)
    assert moved.p_value == pytest.approx(base.p_value, rel=1e-8)


def test_swapping_arms_mirrors_everything():
    swapped = ARMS[3:] + ARMS[:3]
    for one, other in (("two_sided", "two_sided"), ("greater", "less"), ("less", "greater")):
        here = asymptotic_cs_two_arm(*ARMS, target_n=5000, alternative=one)
        there = asymptotic_cs_two_arm(*swapped, target_n=5000, alternative=other)
        assert here.ci_low == -there.ci_high
        assert here.ci_high == -there.ci_low
        assert here.p_value == there.p_value


def test_one_sided_is_sharper_on_its_side_than_two_sided():
    two = asymptotic_cs_two_arm(*ARMS, target_n=5000)
    one = asymptotic_cs_two_arm(*ARMS, target_n=5000, alternative="greater")
    assert one.ci_low > two.ci_low
    assert one.p_value < two.p_value
    # The closed-form bound of the same mixture (Howard et al. 2021; GrowthBook) is wider, a little.
    mean_c, var_c, n_c, mean_t, var_t, n_t = ARMS
    n, rho = n_c + n_t, asymptotic_cs_rho(5000, alternative="greater")
    scale = np.sqrt(n * (var_c / n_c + var_t / n_t))
    inner = np.log(np.sqrt(n * rho**2 + 1) / (2 * 0.05) + 1)
    bound = scale * np.sqrt(2 * (n * rho**2 + 1) / (n * rho) ** 2 * inner)
    half = (mean_t - mean_c) - one.ci_low
    assert 0.97 * bound < half < bound


# Traps and edges ------------------------------------------------------------------------------------------------------


def test_trap_p_is_a_running_minimum_along_looks_only():
    effect, se = np.array([[1.0, 0.1, 0.5], [0.2, 0.9, 0.0]]), np.array([0.4, 0.2, 0.15])
    got = msprt(effect, se, tau=0.3)
    np.testing.assert_array_equal(got.p_value, np.minimum.accumulate(got.p_value_at_look, axis=1))
    assert np.all(np.diff(got.p_value, axis=1) <= 0)
    assert got.p_value_at_look[0, 1] > got.p_value[0, 1]
    column = msprt(effect[:, :1], se[:1], tau=0.3)
    np.testing.assert_array_equal(column.p_value, column.p_value_at_look)


def test_trap_tau_is_a_standard_deviation():
    v, tau, d = 0.04, 0.5, 0.3
    want = 0.5 * np.log(v / (v + tau**2)) + tau**2 * d**2 / (2 * v * (v + tau**2))
    assert msprt(d, np.sqrt(v), tau=tau).log_likelihood_ratio == pytest.approx(want, rel=1e-12)


def test_trap_a_pair_has_twice_the_variance_of_a_unit():
    n = np.array([10.0, 50.0, 400.0])
    pairs = msprt_pairs([0.5, 0.4, 0.3], n, unit_variance=4.0, tau=0.5)
    arms = msprt_two_arm(0.0, 4.0, n, [0.5, 0.4, 0.3], 4.0, n, tau=0.5)
    np.testing.assert_allclose(pairs.log_likelihood_ratio, arms.log_likelihood_ratio, rtol=1e-12)
    np.testing.assert_allclose(pairs.se, np.sqrt(8.0 / n), rtol=1e-12)


def test_trap_the_interval_is_about_the_difference_not_each_arm():
    mean_c, var_c, n_c, mean_t, var_t, n_t = ARMS
    n = n_c + n_t
    difference = asymptotic_cs_two_arm(*ARMS, target_n=5000)
    half = float(difference.ci_high - difference.ci_low) / 2
    arms = [
        asymptotic_cs(m, np.sqrt(v / k), k, target_n=2500) for m, v, k in ((mean_c, var_c, n_c), (mean_t, var_t, n_t))
    ]
    per_arm = sum(float(arm.ci_high - arm.ci_low) / 2 for arm in arms)
    assert half < 0.75 * per_arm
    # N counts both arms; the plan's target does too.
    assert difference.ci_low == asymptotic_cs(difference.effect, difference.se, n, target_n=5000).ci_low


def test_trap_two_rhos_of_one_name():
    taylor, exact = asymptotic_cs_rho(5000), asymptotic_cs_rho(5000, method="lambert_w")
    assert taylor == pytest.approx(0.0398400667713737, rel=1e-12)
    assert exact == pytest.approx(0.0405264557099884, rel=1e-12)


def test_trap_p_neither_underflows_early_nor_exceeds_one():
    far = msprt(1.0, 0.03, tau=0.1)
    assert 0.0 < far.p_value < 1e-180
    assert msprt(0.0, 1.0, tau=1.0).p_value == 1.0
    hopeless = msprt(1e6, 1e-6, tau=1.0)
    assert np.isfinite(hopeless.log_likelihood_ratio)


def test_what_cannot_be_computed_is_nan_in_its_cell_only():
    mean, n = np.zeros((5, 1)), np.array([[1.0], [100.0], [100.0], [100.0], [100.0]])
    var = np.array([[1.0], [0.0], [np.nan], [-1.0], [1.0]])
    got = asymptotic_cs_two_arm(mean, var, n, mean + 0.1, var, n, target_n=100)
    for field in ("p_value", "p_value_at_look", "ci_low", "ci_high", "log_likelihood_ratio"):
        value = getattr(got, field)
        assert np.isnan(value[:4]).all(), field
        assert np.isfinite(value[4]).all(), field
    assert np.isnan(msprt_pairs(0.0, 0, unit_variance=1.0, tau=1.0).p_value)
    unplanned = asymptotic_cs([[0.1], [0.1]], 0.1, 100, target_n=[[np.nan], [100.0]])
    np.testing.assert_array_equal(np.isnan(unplanned.p_value), [[True], [False]])
    np.testing.assert_array_equal(np.isnan(msprt(0.1, 0.1, tau=[np.nan, 1.0]).p_value_at_look), [True, False])


def test_a_look_without_a_number_keeps_the_p_value_so_far():
    got = msprt([np.nan, 0.9, 0.9], [0.3, 0.3, np.nan], tau=0.5)
    assert np.isnan(got.p_value[0])
    assert got.p_value[2] == got.p_value[1]
    assert np.isnan(got.ci_low[2])
    np.testing.assert_array_equal(running_minimum([0.5, np.nan]), [0.5, 0.5])


def test_cells_together_are_cells_alone():
    rng = np.random.default_rng(8)
    effect, se = rng.normal(0, 0.3, (40, 6)), rng.uniform(0.05, 0.5, (40, 6))
    alternative = rng.choice(["two_sided", "greater", "less"], (40, 1))
    alpha, tau = rng.uniform(0.01, 0.3, (40, 1)), rng.uniform(0.05, 1, (40, 1))
    together = msprt(effect, se, tau=tau, alpha=alpha, alternative=alternative)
    for row in range(40):
        alone = msprt(effect[row], se[row], tau=tau[row, 0], alpha=alpha[row, 0], alternative=alternative[row, 0])
        for field in together._fields:
            np.testing.assert_allclose(getattr(alone, field), getattr(together, field)[row], rtol=1e-11, err_msg=field)


def test_wrong_arguments_are_refused_in_words():
    with pytest.raises(MixtureError, match="tau"):
        msprt(0.1, 0.1, tau=0.0)
    with pytest.raises(MixtureError, match="either"):
        asymptotic_cs(0.1, 0.1, 100)
    with pytest.raises(MixtureError, match="either"):
        asymptotic_cs(0.1, 0.1, 100, rho=0.1, target_n=100)
    with pytest.raises(MixtureError, match="target_n"):
        asymptotic_cs(0.1, 0.1, 100, target_n=-5)
    with pytest.raises(MixtureError, match="bisection"):
        asymptotic_cs_rho(100, method="bisection")
    with pytest.raises(MixtureError, match="1/2"):
        asymptotic_cs_rho(100, alpha=0.5, alternative="less")
    with pytest.raises(AlphaError):
        msprt(0.1, 0.1, tau=1.0, alpha=1.0)
    with pytest.raises(UnknownAlternativeError):
        msprt(0.1, 0.1, tau=1.0, alternative="bigger")
