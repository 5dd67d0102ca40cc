"""From effect and standard error to p-value and interval: duality, sides, and cells without a number."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from python_stats.wald import (
    ALTERNATIVES,
    AlphaError,
    UnknownAlternativeError,
    check_alternative,
    p_value,
    wald,
)


def test_textbook_numbers():
    # R: 2 * pnorm(-2), qt(.975, 10), 2 * pt(-2, 10).
    normal, student = wald(2.0, 1.0), wald(2.0, 1.0, 10)
    np.testing.assert_allclose(normal.p_value, 0.0455002638963584, rtol=1e-12)
    np.testing.assert_allclose(normal.ci_low, 2 - 1.95996398454005, rtol=1e-12)
    np.testing.assert_allclose(student.p_value, 0.0733880347707404, rtol=1e-12)
    np.testing.assert_allclose(student.ci_high, 2 + 2.22813885198627, rtol=1e-12)


@settings(deadline=None)
@given(
    effect=st.floats(-5, 5),
    se=st.floats(0.1, 3),
    df=st.sampled_from([1.5, 4.0, 60.0, np.inf]),
    alpha=st.sampled_from([0.001, 0.05, 0.3, 0.7]),
    alternative=st.sampled_from(ALTERNATIVES),
    null=st.floats(-2, 2),
)
def test_interval_excludes_the_null_exactly_when_p_is_below_alpha(effect, se, df, alpha, alternative, null):
    result = wald(effect, se, df, alpha=alpha, alternative=alternative, null=null)
    if abs(result.p_value - alpha) > 1e-9:
        assert (result.p_value < alpha) == (not result.ci_low <= null <= result.ci_high)


def test_trap_one_sided_tests_report_one_sided_intervals():
    # The upper limit of "less" lies above the estimate (gbstats 0.8.0 printed estimate - halfwidth).
    less, greater = wald(-0.5, 1.0, alternative="less"), wald(-0.5, 1.0, alternative="greater")
    np.testing.assert_allclose([less.ci_low, less.ci_high], [-np.inf, -0.5 + 1.6448536269514722])
    np.testing.assert_allclose([greater.ci_low, greater.ci_high], [-0.5 - 1.6448536269514722, np.inf])
    np.testing.assert_allclose(less.p_value + greater.p_value, 1.0)


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize("se", [0.0, np.nan, np.inf, -1.0])
def test_trap_no_standard_error_gives_no_number_and_keeps_the_effect(se, alternative):
    result = wald([1.5, 1.5], [se, 1.0], alternative=alternative)
    assert np.isnan([result.statistic[0], result.p_value[0], result.ci_low[0], result.ci_high[0]]).all()
    assert result.effect[0] == 1.5
    assert not np.isnan(result.p_value[1])


@pytest.mark.parametrize("effect", [np.nan, np.inf])
def test_effect_that_is_no_number_has_no_p(effect):
    result = wald(effect, 1.0, alternative="greater")
    assert np.isnan([result.statistic, result.p_value, result.ci_low, result.ci_high]).all()


@pytest.mark.parametrize("df", [0.0, -1.0, np.nan])
def test_impossible_degrees_of_freedom_give_no_p(df):
    result = wald(1.0, 1.0, df, alternative="less")
    assert np.isnan([result.p_value, result.ci_low, result.ci_high]).all()
    assert result.statistic == 1.0


def test_trap_p_does_not_underflow_by_one_minus_cdf():
    # R: 2 * pnorm(-30), pt(-40, 51).
    np.testing.assert_allclose(wald(30.0, 1.0).p_value, 9.813427854297537e-198, rtol=1e-9)
    assert 0.0 < wald(-40.0, 1.0, 51, alternative="less").p_value < 1e-38
    assert wald(-40.0, 1.0, alternative="greater").p_value == 1.0


def test_vectorised_is_one_cell_at_a_time():
    rng = np.random.default_rng(3)
    effect, se, df = rng.normal(size=40), rng.exponential(size=40), rng.uniform(1, 60, 40)
    alpha, side, null = rng.uniform(0.01, 0.2, 40), rng.choice(ALTERNATIVES, 40), rng.normal(size=40)
    together = wald(effect, se, df, alpha=alpha, alternative=side, null=null)
    for i in range(40):
        alone = wald(effect[i], se[i], df[i], alpha=alpha[i], alternative=side[i], null=null[i])
        for whole, single in zip(together, alone, strict=True):
            assert whole[i] == single


def test_everything_broadcasts():
    result = wald(np.zeros((3, 1)), np.ones(4), alternative=np.array(["two_sided", "less", "greater", "less"]))
    assert all(field.shape == (3, 4) for field in result)
    assert all(field.shape == (0,) for field in wald([], []))


def test_alternatives_from_a_column_of_objects():
    assert check_alternative(np.array(["less", "greater"], dtype=object)).tolist() == ["less", "greater"]


@pytest.mark.parametrize("alternative", ["two-sided", "", None, ["less", "larger"]])
def test_unknown_alternative_is_refused_in_words(alternative):
    with pytest.raises(UnknownAlternativeError, match="two_sided, greater, less"):
        wald(1.0, 1.0, alternative=alternative)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, 5.0, np.nan, [0.05, 2.0]])
def test_alpha_outside_its_range_is_refused_in_words(alpha):
    with pytest.raises(AlphaError, match="strictly between 0 and 1"):
        wald(1.0, 1.0, alpha=alpha)


def test_p_value_of_opposite_sides_adds_up_to_one():
    statistic, df = np.array([[-3.0], [0.0], [1.2]]), np.array([1.0, 7.0, np.inf])
    sides = [p_value(statistic, df, alternative=side) for side in ("greater", "less")]
    np.testing.assert_allclose(np.add(*sides), 1.0, rtol=1e-14)
    np.testing.assert_allclose(p_value(statistic, df), 2.0 * np.minimum(*sides), rtol=1e-12)
