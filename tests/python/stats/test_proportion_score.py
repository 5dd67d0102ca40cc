"""Score tests and intervals for two rates: against gsDesign, ratesci, PropCIs and direct maximisation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri, xlogy

from python_stats.rates.proportion_score import (
    farrington_manning,
    mee_interval,
    miettinen_nurminen_interval,
    restricted_rates,
    score_ratio_interval,
)
from python_stats.rates.proportions import two_proportion_z
from python_stats.wald import ALTERNATIVES

DIFFERENCES = [mee_interval, miettinen_nurminen_interval]
Z = ndtri(0.975)


@st.composite
def arms(draw, most=60):
    n_c, n_t = draw(st.integers(1, most)), draw(st.integers(1, most))
    return draw(st.integers(0, n_c)), n_c, draw(st.integers(0, n_t)), n_t


def log_likelihood(cell, rate_c, rate_t):
    x_c, n_c, x_t, n_t = cell
    return xlogy(x_c, rate_c) + xlogy(n_c - x_c, 1 - rate_c) + xlogy(x_t, rate_t) + xlogy(n_t - x_t, 1 - rate_t)


def test_difference_oracle(oracle_case):
    # The closed-form intervals of this case are in test_proportions.py.
    case = oracle_case("prop2_ci_variants")
    cell = [case.inputs[key] for key in ("x2", "n2", "x1", "n1")]
    case.check("mee", mee_interval(*cell))
    case.check("miettinen_nurminen", miettinen_nurminen_interval(*cell))
    case.check("propcis_diffscoreci", miettinen_nurminen_interval(*cell))


def test_margin_oracle(oracle_case):
    case = oracle_case("noninf_prop_test")
    cell = [case.inputs[key] for key in ("x2", "n2", "x1", "n1")]
    low, high = case.inputs["delta0"]
    result = farrington_manning(*cell, null=[low, high])
    case.check("z_FM_margin_m010", result.statistic[0])
    case.check("p_one_sided_m010", result.p_value[0])
    case.check("z_FM_margin_p005", result.statistic[1])
    case.check("p_one_sided_p005", result.p_value[1])
    case.check("z_MN_margin_m010", farrington_manning(*cell, null=low, variance="miettinen_nurminen").statistic)
    case.check("z_wald_margin_m010", farrington_manning(*cell, null=low, variance="wald").statistic)


def test_ratio_oracle(oracle_case):
    # The Katz, linear and Fieller keys of this case are in test_lift.py.
    case = oracle_case("lift_binary_ci")
    cell = (*case.inputs["control"], *case.inputs["treat"])
    koopman = np.array(score_ratio_interval(*cell)) - 1.0
    case.check("koopman_lift_ci95_ratesci", koopman)
    case.check("koopman_lift_ci95_propcis", koopman)
    case.check("miettinen_nurminen_lift_ci95", np.array(score_ratio_interval(*cell, small_sample_factor=True)) - 1.0)


def test_trap_the_wrong_cubic_of_statsmodels():
    # statsmodels <= 0.15.0 prints 3.9143 and (0.0526, 0.3440); gsDesign 3.4.0 and ratesci 1.0.0 print these.
    np.testing.assert_allclose(farrington_manning(48, 80, 56, 70, null=-0.1).statistic, 3.9342060745146, rtol=1e-9)
    np.testing.assert_allclose(miettinen_nurminen_interval(48, 80, 56, 70), [0.0528297, 0.3381729], atol=2e-7)


def test_newcombe_1998_table_2():
    # Newcombe (1998), Statistics in Medicine 17:873-890, Table II, methods 5 (Mee) and 6 (Miettinen-Nurminen).
    low, high = mee_interval(
        [48, 3, 2, 0, 0, 0, 0], [80, 10, 7, 29, 20, 20, 10], [56, 9, 6, 5, 0, 10, 10], [70, 10, 7, 56, 10, 10, 10]
    )
    np.testing.assert_allclose(low, [0.0533, 0.1821, 0.0544, -0.0313, -0.1611, 0.7225, 0.6777], atol=5e-5)
    np.testing.assert_allclose(high, [0.3377, 0.8370, 0.8478, 0.1926, 0.2775, 1.0, 1.0], atol=5e-5)
    low, high = miettinen_nurminen_interval([48, 3, 0, 0], [80, 10, 20, 10], [56, 9, 10, 10], [70, 10, 10, 10])
    np.testing.assert_allclose(low, [0.0528, 0.1700, 0.7156, 0.6636], atol=5e-5)
    np.testing.assert_allclose(high, [0.3382, 0.8406, 1.0, 1.0], atol=5e-5)


@settings(deadline=None)
@given(cell=arms(), difference=st.floats(-0.999, 0.999))
def test_restricted_rates_are_the_most_likely_pair(cell, difference):
    rate_c, rate_t = restricted_rates(*cell, difference)
    np.testing.assert_allclose(rate_t - rate_c, difference, atol=1e-15)
    low, high = max(0.0, -difference), min(1.0, 1.0 - difference)
    grid = np.linspace(low, high, 2001)
    rivals = log_likelihood(cell, grid, np.clip(grid + difference, 0.0, 1.0))
    # The restricted pair may sit where the rounding of a rate near 0 or 1 costs a digit of its own likelihood.
    assert log_likelihood(cell, rate_c, rate_t) >= rivals.max() - 1e-9 * (1 + abs(rivals.max()))


def test_restricted_rates_of_tiny_rates_keep_their_digits():
    # Close to zero the binomial is Poisson, whose restricted rate solves a quadratic.
    n, x_c, x_t, gap = 1e9, 4.0, 9.0, 2e-9
    rate_c, _ = restricted_rates(x_c, n, x_t, n, gap)
    sum_, excess = x_c + x_t, 2 * n * gap
    poisson = (sum_ - excess + np.sqrt((sum_ - excess) ** 2 + 4 * 2 * n * gap * x_c)) / (4 * n)
    np.testing.assert_allclose(rate_c, poisson, rtol=1e-7)


def test_without_a_margin_it_is_the_pooled_z():
    rng = np.random.default_rng(11)
    n_c, n_t = rng.integers(5, 500, (2, 50))
    x_c, x_t = rng.binomial(n_c, 0.3), rng.binomial(n_t, 0.4)
    score = farrington_manning(x_c, n_c, x_t, n_t, null=0.0, alternative="two_sided")
    np.testing.assert_allclose(score.statistic, two_proportion_z(x_c, n_c, x_t, n_t).statistic, rtol=1e-10)


def many_cells(seed, cells=400):
    """Small arms whose rates are anything, often 0 or 1."""
    rng = np.random.default_rng(seed)
    n_c, n_t = rng.integers(2, 60, (2, cells))
    rates = rng.choice([0.0, 0.03, 0.4, 0.9, 1.0], (2, cells))
    return rng.binomial(n_c, rates[0]), n_c, rng.binomial(n_t, rates[1]), n_t


def test_difference_limits_are_where_the_test_stops_rejecting():
    cells = many_cells(21)
    for interval, variance in zip(DIFFERENCES, ("farrington_manning", "miettinen_nurminen"), strict=True):
        for limit, z in zip(interval(*cells), (Z, -Z), strict=True):
            inside = np.abs(limit) < 1.0 - 1e-6
            assert inside.mean() > 0.8
            test = farrington_manning(*cells, null=limit, variance=variance)
            np.testing.assert_allclose(test.statistic[inside], z, atol=1e-6)


def test_renaming_arms_and_outcomes():
    cells = many_cells(22)
    x_c, n_c, x_t, n_t = cells
    effect = x_t / n_t - x_c / n_c
    for interval in DIFFERENCES:
        low, high = interval(*cells)
        np.testing.assert_allclose(interval(x_t, n_t, x_c, n_c), [-high, -low], atol=1e-9)
        np.testing.assert_allclose(interval(n_c - x_c, n_c, n_t - x_t, n_t), [-high, -low], atol=1e-9)
        assert ((low >= -1.0) & (low <= effect + 1e-12)).all()
        assert ((effect <= high + 1e-12) & (high <= 1.0)).all()


def test_ratio_interval_inverts_when_the_arms_are_swapped():
    x_c, n_c, x_t, n_t = (axis[many_cells(23)[0] * many_cells(23)[2] > 0] for axis in many_cells(23))
    low, high = score_ratio_interval(x_c, n_c, x_t, n_t)
    np.testing.assert_allclose(score_ratio_interval(x_t, n_t, x_c, n_c), [1.0 / high, 1.0 / low], rtol=1e-7)
    ratio = (x_t / n_t) / (x_c / n_c)
    assert (low <= ratio * (1 + 1e-9)).all()
    assert (ratio <= high * (1 + 1e-9)).all()


def test_ratio_and_difference_intervals_agree_about_no_effect():
    rng = np.random.default_rng(12)
    n_c, n_t = rng.integers(20, 300, (2, 200))
    x_c, x_t = rng.binomial(n_c, 0.2), rng.binomial(n_t, 0.3)
    ratio, difference = score_ratio_interval(x_c, n_c, x_t, n_t), mee_interval(x_c, n_c, x_t, n_t)
    np.testing.assert_array_equal(ratio.ci_low > 1.0, difference.ci_low > 0.0)
    np.testing.assert_array_equal(ratio.ci_high < 1.0, difference.ci_high < 0.0)


def test_zero_counts():
    # Without any success a ratio says nothing, a difference still does.
    low, high = score_ratio_interval([0, 5, 0, 20], 20, [5, 0, 0, 20], 20)
    assert 1.0 < low[0] < 2.0
    assert high[0] == np.inf
    assert low[1] == 0.0
    assert 0.0 < high[1] < 1.0
    assert np.isnan([low[2], high[2]]).all()
    assert low[3] < 1.0 < high[3]
    low, high = mee_interval(0, 20, 0, 20)
    np.testing.assert_allclose([low, high], [-high, Z**2 / (20 + Z**2)], atol=1e-9)
    np.testing.assert_allclose(mee_interval(0, 10, 10, 10).ci_high, 1.0)


@pytest.mark.parametrize("interval", [*DIFFERENCES, score_ratio_interval])
def test_one_sided_limit_is_the_two_sided_one_at_twice_alpha(interval):
    cell = (12, 90, 20, 80)
    both = interval(*cell, alpha=0.1)
    np.testing.assert_allclose(interval(*cell, alternative="greater"), [both.ci_low, np.inf])
    np.testing.assert_allclose(interval(*cell, alternative="less"), [-np.inf, both.ci_high])


@pytest.mark.parametrize("variance", ["farrington_manning", "miettinen_nurminen", "wald"])
@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_interval_agrees_with_the_test(variance, alternative):
    null = np.linspace(-0.3, 0.4, 57)
    result = farrington_manning(30, 90, 31, 80, null=null, variance=variance, alternative=alternative)
    np.testing.assert_array_equal(result.p_value < 0.05, (null < result.ci_low) | (null > result.ci_high))


def test_trap_pooled_variance_is_not_reused_at_a_margin():
    pooled = two_proportion_z(48, 80, 56, 70)
    shifted = (pooled.effect + 0.1) / (pooled.effect / pooled.statistic)
    assert abs(farrington_manning(48, 80, 56, 70, null=-0.1).statistic - shifted) > 0.01


def test_non_inferiority_of_a_rate_that_should_be_low():
    # Renaming the outcome turns "not lower by more than m" into "not higher by more than m".
    high = farrington_manning(70, 100, 66, 100, null=-0.1, alternative="greater")
    low = farrington_manning(30, 100, 34, 100, null=0.1, alternative="less")
    np.testing.assert_allclose(high.p_value, low.p_value, rtol=1e-9)
    np.testing.assert_allclose(high.ci_low, -low.ci_high, atol=1e-9)
    assert low.ci_low == -np.inf


def test_vectorised_is_one_cell_at_a_time():
    rng = np.random.default_rng(13)
    n_c, n_t = rng.integers(1, 60, (2, 12))
    x_c, x_t, side = rng.binomial(n_c, 0.2), rng.binomial(n_t, 0.3), rng.choice(ALTERNATIVES, 12)
    for function in (*DIFFERENCES, score_ratio_interval):
        together = function(x_c, n_c, x_t, n_t, alternative=side)
        for i in range(12):
            alone = function(x_c[i], n_c[i], x_t[i], n_t[i], alternative=side[i])
            np.testing.assert_allclose([field[i] for field in together], list(alone), rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("cell", [(5, 4, 1, 4), (-1, 4, 1, 4), (1, 4, 0, 0), (np.nan, 4, 1, 4)])
def test_impossible_counts_have_no_number_and_stop_nobody(cell):
    both = [np.array(pair, dtype=float) for pair in zip(cell, (10, 40, 20, 40), strict=True)]
    test = farrington_manning(*both, null=-0.1)
    fields = [test.p_value, test.effect, test.ci_low, *mee_interval(*both), *score_ratio_interval(*both)]
    for field in fields:
        assert np.isnan(field).tolist() == [True, False]


@pytest.mark.parametrize("null", [-1.0, 1.0, 1.2, np.nan])
def test_an_impossible_null_keeps_the_effect_only(null):
    result = farrington_manning(10, 40, 20, 40, null=null)
    assert result.effect == 0.25
    assert np.isnan([result.statistic, result.p_value, result.ci_low, result.ci_high]).all()


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="farrington_manning, miettinen_nurminen, wald"):
        farrington_manning(1, 2, 1, 2, null=0.1, variance="score")
    with pytest.raises(ValueError, match="alternative"):
        mee_interval(1, 2, 1, 2, alternative="up")


def test_a_cell_has_the_same_digits_alone_and_beside_slower_ones():
    rng = np.random.default_rng(4)
    n = rng.integers(5, 400, (2, 300)).astype(float)
    x = np.floor(rng.random((2, 300)) * (n + 1))
    together = miettinen_nurminen_interval(x[0], n[0], x[1], n[1])
    for i in range(0, 300, 7):
        alone = miettinen_nurminen_interval(x[0, i], n[0, i], x[1, i], n[1, i])
        assert (float(alone.ci_low), float(alone.ci_high)) == (together.ci_low[i], together.ci_high[i])
