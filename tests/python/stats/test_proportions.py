"""The z test of two rates and closed-form intervals of their difference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from python_stats.rates.proportions import agresti_caffo_interval, newcombe_interval, two_proportion_z
from python_stats.wald import ALTERNATIVES

INTERVALS = [newcombe_interval, agresti_caffo_interval]


@st.composite
def arms(draw):
    n_c, n_t = draw(st.integers(2, 400)), draw(st.integers(2, 400))
    return draw(st.integers(0, n_c)), n_c, draw(st.integers(0, n_t)), n_t


def test_berkeley_as_printed_by_r():
    # R: prop.test(c(1198, 557), c(2691, 1835), correct = FALSE).
    result = two_proportion_z(557, 1835, 1198, 2691)
    np.testing.assert_allclose(result.statistic**2, 92.20528, atol=5e-6)
    np.testing.assert_allclose([result.ci_low, result.ci_high], [0.1134470, 0.1698439], atol=5e-8)


def test_z_oracle(oracle_case):
    case = oracle_case("prop2_z_ucb")
    (x_m, x_f), (n_m, n_f) = case.inputs["x"], case.inputs["n"]
    result = two_proportion_z(x_f, n_f, x_m, n_m)
    case.check("p1", x_m / n_m)
    case.check("p2", x_f / n_f)
    case.check("diff", result.effect)
    case.check("z_pooled", result.statistic)
    case.check("chi2", result.statistic**2)
    case.check("p_two_sided", result.p_value)
    case.check("se_unpooled", result.se)
    case.check("ci95_unpooled", [result.ci_low, result.ci_high])
    yates = two_proportion_z(x_f, n_f, x_m, n_m, continuity_correction=True)
    case.check("chi2_yates", yates.statistic**2)
    case.check("p_yates", yates.p_value, case.expected["p_yates"])
    case.check("ci95_yates", [yates.ci_low, yates.ci_high])


def test_intervals_oracle(oracle_case):
    # The score intervals of this case are in test_proportion_score.py.
    case = oracle_case("prop2_ci_variants")
    arms = [case.inputs[key] for key in ("x2", "n2", "x1", "n1")]
    wald = two_proportion_z(*arms)
    case.check("wald", [wald.ci_low, wald.ci_high])
    case.check("agresti_caffo", agresti_caffo_interval(*arms))


def test_newcombe_1998_table_2():
    # Newcombe (1998), Statistics in Medicine 17:873-890, Table II, method 10; statsmodels' "newcomb" has the same.
    low, high = newcombe_interval(
        [48, 3, 2, 0, 0, 0], [80, 10, 7, 29, 20, 10], [56, 9, 6, 5, 0, 10], [70, 10, 7, 56, 10, 10]
    )
    np.testing.assert_allclose(low, [0.0524, 0.1705, 0.0582, -0.0381, -0.1611, 0.6075], atol=5e-5)
    np.testing.assert_allclose(high, [0.3339, 0.8090, 0.8062, 0.1926, 0.2775, 1.0], atol=5e-5)


@settings(deadline=None)
@given(arms())
def test_swapping_the_arms_turns_the_sign(cell):
    x_c, n_c, x_t, n_t = cell
    there = two_proportion_z(*cell, alternative="greater", continuity_correction=True)
    back = two_proportion_z(x_t, n_t, x_c, n_c, alternative="less", continuity_correction=True)
    np.testing.assert_allclose([there.effect, there.ci_low], [-back.effect, -back.ci_high], atol=1e-12)
    np.testing.assert_allclose(there.p_value, back.p_value, rtol=1e-9)
    for interval in INTERVALS:
        there, back = interval(*cell), interval(x_t, n_t, x_c, n_c)
        np.testing.assert_allclose(there, [-back.ci_high, -back.ci_low], atol=1e-12)


@settings(deadline=None)
@given(arms())
def test_success_and_failure_may_be_renamed(cell):
    x_c, n_c, x_t, n_t = cell
    there, back = two_proportion_z(*cell), two_proportion_z(n_c - x_c, n_c, n_t - x_t, n_t)
    np.testing.assert_allclose(there.effect, -back.effect, atol=1e-12)
    np.testing.assert_allclose(there.p_value, back.p_value, rtol=1e-6)
    for interval in INTERVALS:
        there, back = interval(*cell), interval(n_c - x_c, n_c, n_t - x_t, n_t)
        np.testing.assert_allclose(there, [-back.ci_high, -back.ci_low], atol=1e-12)


@settings(deadline=None)
@given(arms())
def test_small_sample_intervals_are_proper(cell):
    x_c, n_c, x_t, n_t = cell
    effect = x_t / n_t - x_c / n_c
    low, high = newcombe_interval(*cell)
    assert -1.0 - 1e-12 <= low <= effect <= high <= 1.0 + 1e-12
    low, high = agresti_caffo_interval(*cell)
    assert -1.0 <= low < high <= 1.0


@pytest.mark.parametrize("interval", INTERVALS)
def test_one_sided_limit_is_the_two_sided_one_at_twice_alpha(interval):
    cell = (12, 90, 20, 80)
    both = interval(*cell, alpha=0.1)
    np.testing.assert_allclose(interval(*cell, alternative="greater"), [both.ci_low, np.inf])
    np.testing.assert_allclose(interval(*cell, alternative="less"), [-np.inf, both.ci_high])


def test_vectorised_is_one_cell_at_a_time():
    rng = np.random.default_rng(7)
    n_c, n_t = rng.integers(1, 60, (2, 30))
    x_c, x_t, side = rng.binomial(n_c, 0.2), rng.binomial(n_t, 0.3), rng.choice(ALTERNATIVES, 30)
    for function in (two_proportion_z, *INTERVALS):
        together = function(x_c, n_c, x_t, n_t, alternative=side)
        for i in range(30):
            alone = function(x_c[i], n_c[i], x_t[i], n_t[i], alternative=side[i])
            np.testing.assert_array_equal([field[i] for field in together], list(alone))


def test_nobody_or_everybody_converted_has_no_p():
    result = two_proportion_z([0, 50], 50, [0, 60], 60)
    assert np.isnan([result.statistic, result.p_value, result.ci_low, result.ci_high]).all()
    assert result.effect.tolist() == [0.0, 0.0]


def test_complete_separation_has_a_p_but_no_wald_interval():
    result = two_proportion_z(0, 20, 20, 20)
    np.testing.assert_allclose(result.statistic, np.sqrt(40))
    assert np.isnan([result.ci_low, result.ci_high]).all()
    assert newcombe_interval(0, 20, 20, 20).ci_low > 0.7


@pytest.mark.parametrize("cell", [(5, 4, 1, 4), (-1, 4, 1, 4), (1, 4, 0, 0), (np.nan, 4, 1, 4), (1, 4, 1, np.nan)])
def test_impossible_counts_have_no_number_and_stop_nobody(cell):
    both = [np.array(pair, dtype=float) for pair in zip(cell, (10, 40, 20, 40), strict=True)]
    result = two_proportion_z(*both)
    for field in (
        result.effect,
        result.p_value,
        result.ci_low,
        *newcombe_interval(*both),
        *agresti_caffo_interval(*both),
    ):
        assert np.isnan(field).tolist() == [True, False]


def test_yates_never_turns_the_sign():
    result = two_proportion_z(10, 40, 10, 41, continuity_correction=True)
    assert result.statistic == 0.0
    assert result.p_value == 1.0


def test_trap_p_of_a_large_effect_does_not_underflow():
    assert 0.0 < two_proportion_z(1000, 10**5, 2500, 10**5).p_value < 1e-100


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="alternative"):
        two_proportion_z(1, 2, 1, 2, alternative="two-sided")
    with pytest.raises(ValueError, match="alpha"):
        newcombe_interval(1, 2, 1, 2, alpha=0)


def exactly(n_control: int, n_treatment: int, rate: float):
    """All counts of two binomial arms that can be seen, with their probabilities."""
    arms = [np.arange(stats.binom.ppf(1e-10, n, rate), stats.binom.ppf(1 - 1e-10, n, rate) + 1)
            for n in (n_control, n_treatment)]  # fmt: skip
    weight = stats.binom.pmf(arms[0], n_control, rate)[:, None] * stats.binom.pmf(arms[1], n_treatment, rate)
    return *np.broadcast_arrays(arms[0][:, None], arms[1][None, :]), weight


@pytest.mark.parametrize(("expected", "coverage"), [(10, 0.927), (20, 0.940), (50, 0.946)])
def test_trap_the_unpooled_interval_of_a_lopsided_split_covers_too_little(expected: int, coverage: float):
    """The exact coverage without an effect, as docs/statistics/rates_and_means.md states it."""
    x_c, x_t, weight = exactly(99_000, 1_000, expected / 1_000)
    found = two_proportion_z(x_c, 99_000, x_t, 1_000)
    held = (found.ci_low <= 0) & (found.ci_high >= 0)
    assert (weight * held).sum() == pytest.approx(coverage, abs=0.001)


def test_trap_equal_arms_of_a_hundred_units_have_few_p_values():
    for n_treatment, size in ((100, 0.056), (104, 0.050)):
        n_control = 201 - n_treatment if n_treatment == 104 else 100
        x_c, x_t, weight = exactly(n_control, n_treatment, 0.5)
        p = two_proportion_z(x_c, n_control, x_t, n_treatment).p_value
        assert (weight * (p <= 0.05)).sum() == pytest.approx(size, abs=0.0005)
