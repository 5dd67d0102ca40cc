"""Sample-ratio mismatch against R, ssrm-test and direct enumeration."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import comb, factorial, prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from python_stats.allocation import exact_multinomial, sequential_srm, srm_chi_square, srm_over_phases

NAN = np.nan


def test_srm_chisq(oracle_case):
    case = oracle_case("srm_chisq")
    two, three = case.inputs["two_arm"], case.inputs["three_arm"]
    want = case.expected["two_arm"]
    # Both experiments in one ragged array.
    got = srm_chi_square([[*two, NAN], three], [[1, 1, NAN], case.inputs["three_arm_ratio"]])
    case.check("chi2", got.statistic[0], want["chi2"])
    case.check("p", got.p_value[0], want["p"])
    case.check("p", exact_multinomial(two, [0.5, 0.5]).p_value, want["p_exact_binomial"])
    want = case.expected["three_arm"]
    case.check("chi2", got.statistic[1], want["chi2"])
    case.check("df", got.df[1], want["df"])
    case.check("p", got.p_value[1], want["p"])


def test_srm_sequential(oracle_case):
    case = oracle_case("srm_sequential")
    table = case.table()
    days = np.column_stack([values for name, values in table.items() if name != "day"])
    for concentration in (10_000, 100):
        want = case.expected[f"concentration_{concentration}"]
        got = sequential_srm(days, case.inputs["ratio"], concentration=concentration)
        case.check("bayes_factor", np.exp(got.log_bayes_factor), want["bayes_factor"])
        case.check("sequential_p", got.p_value, want["sequential_p"])
        case.check("posterior_prob_srm", got.posterior_probability, want["posterior_prob_srm"])
    fixed = srm_chi_square(days.cumsum(axis=0), case.inputs["ratio"])
    case.check("fixed_horizon_chi2_p_by_day", fixed.p_value)


def test_two_arms_of_chisq_test():
    """R 4.2.2, chisq.test(c(821588, 815482)): checked without the collection of reference cases, too."""
    got = srm_chi_square([821588, 815482], [50, 50])
    np.testing.assert_allclose(got.p_value, 1.82179287261919e-06, rtol=1e-9)
    np.testing.assert_allclose(got.max_relative_deviation, 821588 / 818535 - 1)


def test_trap_zero_weight_and_missing_arms_are_not_in_the_degrees_of_freedom():
    got = srm_chi_square([[500, 520, 0, NAN], [500, 520, 0, 0]], [[50, 50, 0, NAN], [25, 25, 25, 25]])
    np.testing.assert_array_equal(got.df, [1, 3])
    np.testing.assert_array_equal(got.p_value[0], srm_chi_square([500, 520], [0.5, 0.5]).p_value)
    np.testing.assert_array_equal(got.is_unplanned, False)


def test_trap_an_empty_planned_arm_is_an_alarm_with_a_p_value():
    got = srm_chi_square([[30, 0], [3, 0], [0, 0], [30, 31]], [0.9, 0.1])
    np.testing.assert_array_equal(got.has_empty_arm, [True, True, False, False])
    np.testing.assert_array_equal(np.isfinite(got.p_value), [True, True, False, True])
    np.testing.assert_allclose(got.max_relative_deviation[0], 1.0)


def test_units_in_an_arm_without_planned_share_are_flagged_and_left_out():
    got = srm_chi_square([510, 490, 7], [50, 50, 0])
    assert got.is_unplanned
    np.testing.assert_array_equal(got.p_value, srm_chi_square([510, 490], [1, 1]).p_value)


def test_trap_configured_90_10_split_is_respected():
    assert srm_chi_square([9000, 1000], [90, 10]).p_value > 0.99
    assert srm_chi_square([9000, 1000], [50, 50]).p_value < 1e-100


def test_trap_a_million_units_alarm_at_a_deviation_that_the_effect_size_shows_to_be_small():
    got = srm_chi_square([5_010_000, 4_990_000], [0.5, 0.5])
    assert got.p_value < 1e-9
    np.testing.assert_allclose(got.max_relative_deviation, 0.002)


def test_p_does_not_underflow():
    assert 0 < srm_chi_square([52_000, 50_000 - 1_500], [1, 1]).p_value < 1e-25
    assert 0 < srm_chi_square([600_000, 580_000], [1, 1]).p_value < 1e-70


def test_shares_are_fractions_percent_or_weights():
    p = [srm_chi_square([300, 330, 700], s).p_value for s in ([0.25, 0.25, 0.5], [25, 25, 50], [1, 1, 2])]
    np.testing.assert_allclose(p, p[0], rtol=1e-12)


@pytest.mark.parametrize(
    ("counts", "share"),
    [
        ([10, -1], [1, 1]),
        ([10, NAN], [1, 1]),
        ([10, 12], [-1, 2]),
        ([10, 12], [1, 0]),
        ([10, 12], [1, NAN]),
        ([0, 0], [1, 1]),
        ([10, 12], [0, 0]),
        ([NAN, NAN], [NAN, NAN]),
        ([10, 12], [np.inf, 1]),
    ],
)
def test_a_bad_cell_is_nan_and_leaves_the_others_alone(counts, share):
    both = [counts, [10, 20]], [share, [1, 1]]
    for test in (srm_chi_square, exact_multinomial):
        np.testing.assert_array_equal(np.isnan(test(*both).p_value), [True, False])
    phases = srm_over_phases(np.array(both[0])[:, None], np.array(both[1])[:, None])
    np.testing.assert_array_equal(np.isnan(phases.p_value), [True, False])
    daily = sequential_srm(np.array(both[0])[:, None], both[1])
    # Before the first unit the sequential test has a p-value already: 1.
    expected = [not (counts == [0, 0] and share == [1, 1]), False]
    np.testing.assert_array_equal(np.isnan(daily.p_value[:, 0]), expected)


@settings(max_examples=50, deadline=None)
@given(
    counts=st.lists(st.integers(0, 500), min_size=2, max_size=4),
    weights=st.lists(st.integers(1, 9), min_size=4, max_size=4),
    seed=st.integers(0, 2**31),
)
def test_order_of_arms_padding_and_company_do_not_matter(counts, weights, seed):
    weights = weights[: len(counts)]
    order = np.random.default_rng(seed).permutation(len(counts))
    alone = srm_chi_square(counts, weights)
    padded = np.full((2, 6), NAN), np.full((2, 6), NAN)
    padded[0][0, : len(counts)], padded[1][0, : len(counts)] = np.array(counts)[order], np.array(weights)[order]
    padded[0][1, 3:], padded[1][1, 3:] = [10, 20, 30], [1, 2, 3]
    got = srm_chi_square(*padded)
    for field in ("statistic", "df", "p_value", "max_relative_deviation", "has_empty_arm"):
        np.testing.assert_allclose(getattr(got, field)[0], getattr(alone, field), rtol=1e-9, atol=1e-9)


def enumerated(counts, share) -> float:
    """Sum over every outcome of the multinomial that is no more probable, from factorials."""
    n = sum(counts)

    def probability(k) -> float:
        return factorial(n) / prod(factorial(i) for i in k) * prod(s**i for s, i in zip(share, k, strict=True))

    observed = probability(counts)
    outcomes = (k for k in product(range(n + 1), repeat=len(counts)) if sum(k) == n)
    return sum(p for p in map(probability, outcomes) if p <= observed * (1 + 1e-7))


@settings(max_examples=50, deadline=None)
@given(
    counts=st.lists(st.integers(0, 6), min_size=2, max_size=4),
    weights=st.lists(st.integers(1, 9), min_size=4, max_size=4),
)
def test_exact_p_is_the_sum_over_all_outcomes(counts, weights):
    share = np.array(weights[: len(counts)]) / sum(weights[: len(counts)])
    got = exact_multinomial(counts, share)
    if sum(counts) == 0:
        assert np.isnan(got.p_value)
    else:
        np.testing.assert_allclose(got.p_value, enumerated(counts, share), rtol=1e-9)
        assert got.is_exact


@settings(max_examples=50, deadline=None)
@given(n=st.integers(1, 250), x=st.integers(0, 250), share=st.sampled_from([0.5, 0.1, 0.9, 0.333, 0.01]))
def test_two_arms_at_any_count_are_the_binomial_test(n, x, share):
    """In rational numbers: in floats the powers of a small share lose their digits long before the p-value does."""
    x, exact = min(x, n), Fraction(share)
    pmf = [comb(n, k) * exact**k * (1 - exact) ** (n - k) for k in range(n + 1)]
    limit = pmf[x] * (1 + Fraction(1, 10**7))
    wanted = float(min(sum(q for q in pmf if q <= limit), 1))
    # Below 1e-308 doubles have fewer digits than that.
    got = exact_multinomial([x, n - x], [share, 1 - share]).p_value
    np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-307)


def test_three_of_twenty_at_a_tenth_by_hand():
    """P(X >= 3) and, on the other side, only P(X = 0): one success is more probable than three."""
    pmf = [comb(20, k) * 0.1**k * 0.9 ** (20 - k) for k in range(21)]
    assert pmf[0] < pmf[3] < pmf[1]
    np.testing.assert_allclose(exact_multinomial([3, 17], [0.1, 0.9]).p_value, pmf[0] + sum(pmf[3:]))


def test_simulation_agrees_with_listing_and_depends_on_its_own_counts_only():
    counts, share = [[30, 25, 45], [10, 30, 10]], [1, 1, 2]
    listed = exact_multinomial(counts, share)
    simulated = exact_multinomial(counts, share, max_outcomes=10)
    assert listed.is_exact.all()
    assert not simulated.is_exact.any()
    np.testing.assert_allclose(simulated.p_value, listed.p_value, atol=0.006)
    alone = exact_multinomial(counts[1], share, max_outcomes=10).p_value
    np.testing.assert_array_equal(simulated.p_value[1], alone)
    assert exact_multinomial([1000, 0, 0], share, max_outcomes=10, draws=999).p_value == 1 / 1000
    other = exact_multinomial(counts, share, max_outcomes=10, seed=1).p_value
    assert other[0] != simulated.p_value[0]


def test_exact_and_chi_square_agree_for_large_counts():
    counts = [[5120, 4880, NAN], [100, 110, 60]]
    share = [[1, 1, NAN], [2, 2, 1]]
    np.testing.assert_allclose(
        exact_multinomial(counts, share).p_value, srm_chi_square(counts, share).p_value, rtol=0.05
    )


def test_one_phase_is_the_chi_square():
    counts, share = np.array([[510, 490, 270], [90, 60, NAN]]), np.array([[2, 2, 1], [1, 1, NAN]])
    one, phases = srm_chi_square(counts, share), srm_over_phases(counts[:, None], share[:, None])
    for field in one._fields:
        np.testing.assert_allclose(getattr(phases, field), getattr(one, field), rtol=1e-9)


def test_trap_a_ramp_is_compared_with_the_allocation_in_force():
    """5 % then 50 %: a perfect ramp that no single allocation fits."""
    phases, share = np.array([[9500, 500], [20000, 20000]]), np.array([[95, 5], [50, 50]])
    assert srm_over_phases(phases, share).p_value == 1
    assert srm_chi_square(phases.sum(axis=0), share[1]).p_value < 1e-10
    assert srm_chi_square(phases.sum(axis=0), share.mean(axis=0)).p_value < 1e-10


def test_mismatch_in_the_same_direction_adds_up_over_phases():
    phases, share = np.array([[6120, 3880], [5110, 4890]]), np.array([[60, 40], [50, 50]])
    each = srm_chi_square(phases, share).statistic
    got = srm_over_phases(phases, share)
    assert got.df == 1
    np.testing.assert_allclose(got.statistic, (120 + 110) ** 2 / (10000 * 0.6 * 0.4 + 10000 * 0.25))
    assert got.statistic > 1.5 * each.max()


def test_mismatch_of_a_small_phase_alone_is_diluted():
    """Why each phase deserves its own chi-square too: here the first phase says more than both together."""
    phases, share = np.array([[9590, 410], [20000, 20000]]), np.array([[95, 5], [50, 50]])
    assert srm_chi_square(phases, share).statistic[0] > 20 * srm_over_phases(phases, share).statistic


def test_an_arm_that_joins_later_and_one_that_leaves():
    phases = np.array([[510, 490, 0], [330, 340, 330], [0, 0, 0]])
    share = np.array([[1, 1, 0], [1, 1, 1], [1, 0, 0]])
    got = srm_over_phases(phases, share)
    assert got.df == 2
    assert not got.is_unplanned
    phases[0, 2] = 4
    assert srm_over_phases(phases, share).is_unplanned
    np.testing.assert_allclose(srm_over_phases(phases, share).statistic, got.statistic)
    # Arms that never share a phase cannot be compared with each other.
    apart = srm_over_phases([[50, 60, 0, 0], [0, 0, 70, 90]], [[1, 1, 0, 0], [0, 0, 1, 1]])
    assert apart.df == 2
    np.testing.assert_allclose(apart.statistic, 100 / 110 + 400 / 160)


def test_phases_have_the_chi_square_distribution_under_a_ramp():
    rng = np.random.default_rng(1)
    share = np.array([[0.9, 0.05, 0.05], [0.5, 0.25, 0.25], [0.2, 0.4, 0.4]])
    counts = np.stack([rng.multinomial(n, s, size=4000) for n, s in zip((400, 900, 300), share, strict=True)], axis=1)
    p = srm_over_phases(counts, share).p_value
    for alpha in (0.01, 0.05, 0.5):
        assert abs((p < alpha).mean() - alpha) < 4 * np.sqrt(alpha * (1 - alpha) / 4000)


def test_sequential_bayes_factor_does_not_depend_on_the_grouping_into_looks():
    days = np.random.default_rng(2).multinomial(700, [0.4, 0.4, 0.2], size=14)
    daily = sequential_srm(days, [40, 40, 20])
    weekly = sequential_srm(days.reshape(2, 7, 3).sum(axis=1), [40, 40, 20])
    np.testing.assert_allclose(weekly.log_bayes_factor, daily.log_bayes_factor[[6, 13]], atol=1e-9)
    assert np.all(weekly.p_value >= daily.p_value[[6, 13]] - 1e-12)


def test_sequential_p_is_a_running_minimum():
    days = np.array([[560, 440]] * 3 + [[440, 560]] * 3)
    got = sequential_srm(days, [1, 1])
    assert np.all(np.diff(got.p_value) <= 0)
    assert got.log_bayes_factor[-1] < 0
    np.testing.assert_allclose(got.p_value[-1], np.exp(-got.log_bayes_factor.max()))


def test_trap_daily_looks_keep_alpha_where_the_chi_square_does_not():
    rng = np.random.default_rng(3)
    days = rng.multinomial(500, [0.5, 0.5], size=(1000, 30))
    for concentration in (100, 10_000):
        ever = (sequential_srm(days, [0.5, 0.5], concentration=concentration).p_value < 0.05).any(axis=1).mean()
        assert ever < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1000)
    peeked = (srm_chi_square(days.cumsum(axis=1), [0.5, 0.5]).p_value < 0.05).any(axis=1).mean()
    assert peeked > 0.2
    mismatch = rng.multinomial(5000, [0.52, 0.48], size=(100, 30))
    assert (sequential_srm(mismatch, [0.5, 0.5]).p_value[:, -1] < 0.001).mean() > 0.95


def test_sequential_over_a_ramp_multiplies_the_phases():
    rng = np.random.default_rng(4)
    days = np.vstack([rng.multinomial(3000, [0.93, 0.07], size=4), rng.multinomial(3000, [0.5, 0.5], size=5)])
    share = np.array([[95, 5]] * 4 + [[50, 50]] * 5)
    got = sequential_srm(days, share)
    first, second = sequential_srm(days[:4], [95, 5]), sequential_srm(days[4:], [50, 50])
    np.testing.assert_allclose(got.log_bayes_factor[:4], first.log_bayes_factor)
    np.testing.assert_allclose(
        got.log_bayes_factor[4:], first.log_bayes_factor[-1] + second.log_bayes_factor, atol=1e-9
    )
    # A constant plan given per look is no ramp, whatever its unit.
    scaled = np.array([[0.5, 0.5], [50, 50], [1, 1]])
    np.testing.assert_allclose(
        sequential_srm(days[4:7], scaled).log_bayes_factor, second.log_bayes_factor[:3], atol=1e-9
    )


def test_sequential_ramp_keeps_alpha():
    rng = np.random.default_rng(5)
    share = np.repeat([[0.95, 0.05], [0.8, 0.2], [0.5, 0.5]], 5, axis=0)
    days = np.stack([rng.multinomial(400, s, size=1000) for s in share], axis=1)
    ever = (sequential_srm(days, np.broadcast_to(share, days.shape), concentration=100).p_value < 0.05).any(axis=1)
    assert ever.mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1000)


def test_sequential_experiments_of_different_length_and_arms_fit_in_one_array():
    a = np.array([[300, 310], [290, 330], [280, 350]])
    b = np.array([[100, 90, 60], [120, 100, 40]])
    units, share = np.full((2, 4, 3), NAN), np.full((2, 4, 3), NAN)
    units[0, :3, :2], units[1, 1:3] = a, b
    share[0, :3, :2], share[1, 1:3] = [1, 1], [2, 2, 1]
    wanted = sequential_srm(a, [1, 1]), sequential_srm(b, [2, 2, 1])
    constant = np.array([[1, 1, NAN], [2, 2, 1]])
    for got in (sequential_srm(units, share), sequential_srm(units, constant)):
        np.testing.assert_allclose(got.p_value[0, :3], wanted[0].p_value)
        np.testing.assert_allclose(got.log_bayes_factor[1, 1:3], wanted[1].log_bayes_factor)
        assert np.isnan(got.p_value[0, 3])
        np.testing.assert_array_equal(np.isnan(got.p_value[1]), [True, False, False, True])


def test_a_gap_between_looks_adds_nothing():
    days = np.array([[300.0, 310.0], [NAN, NAN], [290.0, 330.0]])
    got = sequential_srm(days, [1, 1])
    assert np.isnan(got.p_value[1])
    np.testing.assert_allclose(got.p_value[[0, 2]], sequential_srm(days[[0, 2]], [1, 1]).p_value)


def test_a_missing_count_makes_the_rest_of_its_own_path_nan():
    days = np.array([[[300.0, 310.0], [NAN, 5.0], [290.0, 330.0]], [[300.0, 310.0], [290.0, 5.0], [290.0, 330.0]]])
    got = sequential_srm(days, [1, 1])
    np.testing.assert_array_equal(np.isnan(got.p_value), [[False, True, True], [False, False, False]])


def test_sequential_units_in_an_unplanned_arm_are_flagged_from_then_on():
    got = sequential_srm([[50, 50, 0], [50, 50, 2], [50, 50, 0]], [1, 1, 0])
    np.testing.assert_array_equal(got.is_unplanned, [False, True, True])
    np.testing.assert_array_equal(got.p_value, sequential_srm([[50, 50]] * 3, [1, 1]).p_value)


def test_sequential_p_of_an_enormous_mismatch_is_finite_in_logarithms():
    got = sequential_srm([[10_000_000, 5_000_000]], [1, 1])
    assert np.isfinite(got.log_bayes_factor[0])
    assert got.log_bayes_factor[0] > 1e4
    assert got.posterior_probability[0] == 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: sequential_srm([[1, 2]], [1, 1], concentration=0), "concentration"),
        (lambda: sequential_srm([1, 2], [1, 1]), "looks"),
        (lambda: exact_multinomial([1, 2], [1, 1], draws=0), "draws"),
    ],
)
def test_wrong_arguments_are_refused_in_words(call, words):
    with pytest.raises(ValueError, match=words):
        call()
