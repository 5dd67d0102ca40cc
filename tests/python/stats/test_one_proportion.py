"""One rate against R's prop.test and binom.test."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.special import comb

from python_stats.rates.one_proportion import (
    clopper_pearson_interval,
    exact_binomial_test,
    one_proportion_z,
    wilson_interval,
)

X, N = np.array([81, 15, 0, 1]), np.array([263, 148, 20, 29])


def test_newcombe_1998_table_1():
    # Newcombe (1998), Statistics in Medicine 17:857-872, Table I.
    low, high = wilson_interval(X, N)
    np.testing.assert_allclose(low, [0.2553, 0.0624, 0.0, 0.0061], atol=5e-5)
    np.testing.assert_allclose(high, [0.3662, 0.1605, 0.1611, 0.1718], atol=5e-5)
    low, high = clopper_pearson_interval(X, N)
    np.testing.assert_allclose(low, [0.2527, 0.0578, 0.0, 0.0009], atol=5e-5)
    np.testing.assert_allclose(high, [0.3676, 0.1617, 0.1684, 0.1776], atol=5e-5)


def test_intervals_oracle(oracle_case):
    case = oracle_case("prop1_wilson")
    table = case.table()
    for name, function in (("wilson", wilson_interval), ("clopper_pearson", clopper_pearson_interval)):
        low, high = function(table["x"], table["n"])
        for i, (x, n) in enumerate(zip(table["x"], table["n"], strict=True)):
            case.check(f"{name}_{x:.0f}_{n:.0f}", [low[i], high[i]])


def test_benchmark_oracle(oracle_case):
    case = oracle_case("prop1_h0_06")
    x, n, p0 = (case.inputs[key] for key in ("x", "n", "p0"))
    result = one_proportion_z(x, n, p0)
    case.check("phat", result.effect + p0)
    case.check("z_null_variance", result.statistic)
    case.check("p_z", result.p_value)
    case.check("ci95_wilson", [result.ci_low + p0, result.ci_high + p0])
    case.check("p_yates", one_proportion_z(x, n, p0, continuity_correction=True).p_value)
    case.check("p_exact_binomial", exact_binomial_test(x, n, p0))
    case.check("ci95_clopper_pearson", clopper_pearson_interval(x, n))
    sample = one_proportion_z(x, n, p0, variance="sample")
    case.check("z_sample_variance", sample.statistic)
    case.check("p_z_sample_variance", sample.p_value)


def test_trap_the_default_variance_is_the_null_hypothesis_own():
    # R: prop.test(601, 933, p = 0.6, correct = FALSE). statsmodels' proportions_ztest has .0048 by default.
    np.testing.assert_allclose(one_proportion_z(601, 933, 0.6).p_value, 0.00590009610132241, rtol=1e-10)


def test_trap_no_successes_have_a_lower_limit_of_exactly_zero():
    for function in (wilson_interval, clopper_pearson_interval):
        for n in (1, 7, 20, 10**9):
            assert function(0, n).ci_low == 0.0
            assert function(n, n).ci_high == 1.0


def test_trap_one_success_is_plain_wilson():
    # Hmisc's binconf prints 0.0018 here.
    np.testing.assert_allclose(wilson_interval(1, 29).ci_low, 0.00611321429276266, rtol=1e-12)


@pytest.mark.parametrize("function", [wilson_interval, clopper_pearson_interval])
def test_successes_and_failures_mirror_each_other(function):
    low, high = function(X, N)
    mirrored = function(N - X, N)
    np.testing.assert_allclose(low, 1.0 - mirrored.ci_high, atol=1e-15)
    np.testing.assert_allclose(high, 1.0 - mirrored.ci_low, atol=1e-15)


@pytest.mark.parametrize("function", [wilson_interval, clopper_pearson_interval])
def test_one_sided_limit_is_the_two_sided_one_at_twice_alpha(function):
    both = function(X, N, alpha=0.1)
    greater, less = function(X, N, alternative="greater"), function(X, N, alternative="less")
    np.testing.assert_allclose(greater.ci_low, both.ci_low)
    np.testing.assert_allclose(less.ci_high, both.ci_high)
    assert (greater.ci_high == 1.0).all()
    assert (less.ci_low == 0.0).all()


def test_wilson_limits_are_where_the_test_stops_rejecting():
    for low_or_high in wilson_interval(X[[0, 1, 3]], N[[0, 1, 3]], alpha=0.03):
        np.testing.assert_allclose(one_proportion_z(X[[0, 1, 3]], N[[0, 1, 3]], low_or_high).p_value, 0.03, rtol=1e-9)


@pytest.mark.parametrize("alternative", ["two_sided", "greater", "less"])
@pytest.mark.parametrize("variance", ["null", "sample"])
def test_interval_agrees_with_the_test(variance, alternative):
    x = np.arange(1, 60)
    result = one_proportion_z(x, 60, 0.37, variance=variance, alternative=alternative, alpha=0.04)
    np.testing.assert_array_equal(result.p_value < 0.04, (result.ci_low > 0) | (result.ci_high < 0))


def binomial_p(x, n, p0):
    """Add up the outcomes one by one."""
    k = np.arange(n + 1)
    mass = comb(n, k) * p0**k * (1 - p0) ** (n - k)
    return mass[mass <= mass[x] * (1 + 1e-7)].sum(), mass[x:].sum(), mass[: x + 1].sum()


def test_exact_test_adds_up_outcomes():
    for n, p0 in product([1, 2, 9, 24], [0.03, 0.25, 0.5, 0.61, 0.9]):
        x = np.arange(n + 1)
        want = np.array([binomial_p(i, n, p0) for i in x]).T
        for side, expected in zip(("two_sided", "greater", "less"), want, strict=True):
            np.testing.assert_allclose(exact_binomial_test(x, n, p0, alternative=side), expected, rtol=1e-11)


def test_exact_test_at_a_certain_benchmark():
    assert exact_binomial_test([0, 1, 5], 5, 0.0).tolist() == [1.0, 0.0, 0.0]
    assert exact_binomial_test([0, 4, 5], 5, 1.0).tolist() == [0.0, 0.0, 1.0]


def test_exact_test_with_a_million_trials_is_close_to_z():
    exact, z = exact_binomial_test(500_900, 1_000_000, 0.5), one_proportion_z(500_900, 1_000_000, 0.5).p_value
    np.testing.assert_allclose(exact, z, rtol=0.01)


@pytest.mark.parametrize(("x", "n"), [(5, 4), (-1, 4), (0, 0), (np.nan, 4), (1, np.nan), (1, np.inf)])
def test_impossible_counts_have_no_number_and_stop_nobody(x, n):
    x, n = np.array([x, 3.0]), np.array([n, 9.0])
    for result in (
        *wilson_interval(x, n, alternative=["two_sided", "less"]),
        *clopper_pearson_interval(x, n, alternative=["two_sided", "greater"]),
        one_proportion_z(x, n, 0.4).p_value,
        one_proportion_z(x, n, 0.4).effect,
        one_proportion_z(x, n, 0.4).ci_low,
        exact_binomial_test(x, n, 0.4),
    ):
        assert np.isnan(result).tolist() == [True, False]


def test_fractions_of_a_success_have_no_exact_p():
    assert np.isnan(exact_binomial_test(2.5, 10, 0.5))


def test_a_benchmark_without_variance_keeps_the_effect():
    result = one_proportion_z(3, 10, [0.0, 1.0, -0.2])
    np.testing.assert_allclose(result.effect, [0.3, -0.7, 0.5])
    assert np.isnan([result.p_value, result.ci_low, result.ci_high]).all()


def test_sample_variance_of_zero_has_no_p():
    assert np.isnan(one_proportion_z(10, 10, 0.5, variance="sample").p_value)
    assert one_proportion_z(10, 10, 0.5).p_value < 0.01


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="'null' or 'sample'"):
        one_proportion_z(1, 2, 0.5, variance="pooled")
    with pytest.raises(ValueError, match="alternative"):
        exact_binomial_test(1, 2, 0.5, alternative="bigger")
    with pytest.raises(ValueError, match="alpha"):
        wilson_interval(1, 2, alpha=1.5)
