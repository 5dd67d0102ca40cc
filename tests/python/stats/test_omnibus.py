"""Welch's analysis of variance."""

import numpy as np
import pytest
from scipy.stats import ttest_ind
from statsmodels.stats.oneway import anova_oneway

from python_stats.families.omnibus import welch_anova


def parts(groups):
    return [np.array([f(g) for g in groups]) for f in (np.mean, lambda g: g.var(ddof=1) / g.size, lambda g: g.size - 1)]


@pytest.fixture
def groups():
    rng = np.random.default_rng(21)
    return [rng.normal(i * 0.4, 1 + i, 25 + 10 * i) for i in range(4)]


def test_agrees_with_statsmodels(groups):
    result, want = welch_anova(*parts(groups)), anova_oneway(groups, use_var="unequal", welch_correction=True)
    assert float(result.statistic) == pytest.approx(want.statistic, rel=1e-12)
    assert float(result.df_denominator) == pytest.approx(want.df_denom, rel=1e-12)
    assert float(result.p_value) == pytest.approx(want.pvalue, rel=1e-10)


def test_two_arms_are_welchs_t_squared(groups):
    result, want = welch_anova(*parts(groups[:2])), ttest_ind(*groups[:2], equal_var=False)
    assert float(result.statistic) == pytest.approx(want.statistic**2, rel=1e-12)
    assert float(result.p_value) == pytest.approx(want.pvalue, rel=1e-10)


def test_shift_and_scale_change_nothing_even_far_from_zero(groups):
    mean, variance, df = parts(groups)
    want = welch_anova(mean, variance, df)
    assert float(welch_anova(mean + 1e8, variance, df).statistic) == pytest.approx(float(want.statistic), rel=1e-6)
    assert float(welch_anova(mean * 1e6, variance * 1e12, df).p_value) == pytest.approx(float(want.p_value), rel=1e-10)


def test_cells_of_different_size_are_padded(groups):
    mean, variance, df = parts(groups)
    padded = np.stack([mean, np.where(np.arange(4) < 2, mean, np.nan)])
    result = welch_anova(padded, variance, df)
    assert result.p_value[0] == pytest.approx(float(welch_anova(mean, variance, df).p_value))
    assert result.p_value[1] == pytest.approx(float(welch_anova(mean[:2], variance[:2], df[:2]).p_value))


def test_arms_without_variance_or_company_have_no_test():
    assert np.isnan(welch_anova([1.0, 2.0], [0.0, 0.1]).p_value)
    assert np.isnan(welch_anova([np.nan, np.nan], [0.1, 0.1]).p_value)
    assert np.isfinite(welch_anova([1.0, 2.0, 2.5], [0.0, 0.1, 0.1]).p_value)


def test_known_variances_are_a_chi_square():
    result = welch_anova([0.0, 2.0], [1.0, 1.0])
    assert float(result.p_value) == pytest.approx(0.1572992071, rel=1e-6)
