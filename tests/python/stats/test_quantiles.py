"""Quantiles from windows of order statistics: reference cases, exact enumerations, refusals and invariances."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from python_stats.quantiles.index_comparison import quantile_difference, quantile_interval
from python_stats.quantiles.order_statistics import QuantileArgumentError, order_statistic_window

PROBS = (0.5, 0.9, 0.99)


def window(x, q, width=12.0):
    """Return what SQL hands over for one cell: its size, the rank of the first value, the values in the window."""
    x = np.sort(np.asarray(x, dtype=float))
    ranks = order_statistic_window(x.size, q, width)
    return x.size, int(ranks.first_rank), x[int(ranks.first_rank) - 1 : int(ranks.last_rank)]


def stack(*cells):
    """Pad the windows of several cells to one rectangle."""
    width = max(values.size for _, _, values in cells)
    rows = np.array([np.pad(values, (0, width - values.size), constant_values=np.nan) for _, _, values in cells])
    return np.array([n for n, _, _ in cells]), np.array([first for _, first, _ in cells]), rows


def sample(seed, size=300):
    return np.random.default_rng(seed).lognormal(size=size)


def star(case):
    data = case.table("cases/star_k.csv")
    keep = data["mathk"] != ""
    return {arm: data["mathk"][keep & (data["stark"] == arm)].astype(float) for arm in ("small", "regular")}


# ---- interval of one quantile


def test_order_statistic_interval_matches_r(oracle_case):
    case = oracle_case("quantile_ci_order_stat")
    arms = star(case)
    for q, key in zip(PROBS, ("p50", "p90", "p99"), strict=True):
        for arm, x in arms.items():
            want = case.expected[key][arm]
            got = quantile_interval(*(w := window(x, q))[:1], q, *w[1:])
            case.check(key, [got.rank_low, got.rank_high, got.coverage], [want[0], want[1], want[4]])
            if want[2] == want[3]:
                assert got.undefined
                assert np.isnan([got.ci_low, got.ci_high, got.se]).all()
            else:
                case.check(key, [got.ci_low, got.ci_high], want[2:4])
    epil = case.table("cases/epil_subject.csv")["y"]
    for q, key in ((0.5, "epil_p50"), (0.9, "epil_p90")):
        got = quantile_interval(*(w := window(epil, q))[:1], q, *w[1:])
        case.check(key, [got.rank_low, got.rank_high, got.ci_low, got.ci_high, got.coverage])


@pytest.mark.parametrize("n", [1, 2, 5, 59, 1000, 10**5, 10**9])
def test_ranks_match_scipy_binom(n):
    q = np.array([0.001, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999])[:, None]
    alpha = np.array([0.5, 0.1, 0.05, 0.01, 1e-4])
    got = quantile_interval(n, q, 1, [0.0], alpha=alpha)
    low, high = binom.ppf(alpha / 2, n, q), binom.ppf(1 - alpha / 2, n, q)
    np.testing.assert_array_equal(got.rank_low, low)
    np.testing.assert_array_equal(got.rank_high, high + 1)
    np.testing.assert_allclose(got.coverage, binom.cdf(high, n, q) - binom.cdf(low - 1, n, q), rtol=1e-9)
    assert (got.coverage >= 1 - alpha - 1e-9).all()


def test_trap_no_upper_limit_exists_for_p99_of_59_values():
    x = sample(1, 59)
    got = quantile_interval(*(w := window(x, 0.99))[:1], 0.99, *w[1:])
    assert got.rank_high == 60
    assert got.undefined
    assert np.isnan([got.ci_low, got.ci_high, got.se]).all()
    assert np.isfinite(got.estimate)


def test_trap_bounds_that_collapse_on_ties_are_refused():
    x = np.round(sample(2, 5000))
    got = quantile_interval(*(w := window(x, 0.5))[:1], 0.5, *w[1:])
    assert got.estimate == 1.0
    assert got.undefined
    assert np.isnan([got.ci_low, got.ci_high, got.se]).all()


# ---- difference of quantiles


def brute_force(control, treatment, q):
    """Exact bootstrap distribution of the difference: every pair of ranks with its probability."""
    arms = []
    for x in (control, treatment):
        n = len(x)
        mass = binom.pmf(np.arange(n + 2), n + 1, q)
        mass[1] += mass[0]
        mass[n] += mass[n + 1]
        arms.append((np.sort(x), mass[1 : n + 1]))
    (c, p), (t, r) = arms
    return (t[:, None] - c).ravel(), (r[:, None] * p).ravel()


@pytest.mark.parametrize(
    ("n_control", "n_treatment", "q", "shift"), [(120, 80, 0.5, 1.3), (400, 300, 0.9, 1.1), (900, 500, 0.25, 1.0)]
)
def test_difference_is_the_exact_bootstrap(n_control, n_treatment, q, shift):
    control, treatment = sample(11, n_control), shift * sample(12, n_treatment)
    got = quantile_difference(*window(control, q), *window(treatment, q), q)
    difference, mass = brute_force(control, treatment, q)
    mean = (difference * mass).sum()
    assert float(got.se) == pytest.approx(math.sqrt(((difference - mean) ** 2 * mass).sum()), rel=1e-6)
    tails = mass[difference <= 0].sum(), mass[difference >= 0].sum()
    assert float(got.p_value) == pytest.approx(min(1.0, 2 * min(tails)), rel=1e-5)
    for alternative, p in zip(("greater", "less"), tails, strict=True):
        one_sided = quantile_difference(*window(control, q), *window(treatment, q), q, alternative=alternative)
        assert float(one_sided.p_value) == pytest.approx(p, rel=1e-5)
    # The lattice's limits are exact quantiles of the distribution up to 0.0005 in probability (2 % of the tail).
    for limit, tail in ((got.ci_low, 0.025), (got.ci_high, 0.975)):
        assert mass[difference < float(limit) - 1e-12].sum() <= tail + 5e-4
        assert mass[difference <= float(limit) + 1e-12].sum() >= tail - 5e-4


def test_a_tie_between_the_arms_counts_against_both_directions():
    control, treatment = np.round(sample(41, 150), 1), np.round(1.1 * sample(42, 120), 1)
    difference, mass = brute_force(control, treatment, 0.5)
    assert mass[np.abs(difference) < 1e-9].sum() > 0.05
    for alternative, tail in (
        ("greater", mass[difference <= 1e-9].sum()),
        ("less", mass[difference >= -1e-9].sum()),
    ):
        got = quantile_difference(*window(control, 0.5), *window(treatment, 0.5), 0.5, alternative=alternative)
        assert float(got.p_value) == pytest.approx(tail, rel=1e-6)


def test_ranks_beyond_the_smallest_value_count_as_the_smallest_in_the_standard_error():
    for q in (0.02, 0.98):
        control, treatment = sample(43, 300), sample(44, 350)
        got = quantile_difference(300, 1, np.sort(control), 350, 1, np.sort(treatment), q)
        difference, mass = brute_force(control, treatment, q)
        spread = math.sqrt(((difference - (difference * mass).sum()) ** 2 * mass).sum())
        assert float(got.se) == pytest.approx(spread, rel=1e-9)


def test_effect_and_lift_are_those_of_the_sample_quantiles():
    control, treatment = sample(3), 1.2 * sample(4)
    got = quantile_difference(*window(control, 0.9), *window(treatment, 0.9), 0.9)
    q_control, q_treatment = np.quantile(control, 0.9), np.quantile(treatment, 0.9)
    assert float(got.effect) == pytest.approx(q_treatment - q_control)
    assert float(got.lift) == pytest.approx(q_treatment / q_control - 1.0)
    assert got.lift_ci_low < got.lift < got.lift_ci_high


def test_p_value_does_not_underflow_and_has_no_floor_of_the_number_of_draws():
    control = sample(5, 2000)
    p = [
        float(quantile_difference(*window(control, 0.5), *window(k * control, 0.5), 0.5).p_value) for k in (1.1, 1.3, 9)
    ]
    assert 1.0 > p[0] > p[1] > p[2] > 0.0
    assert p[1] < 1e-4
    assert p[2] < 1e-7


def test_trap_relative_and_absolute_interval_decide_alike():
    for seed in range(40):
        control, treatment = sample(seed, 150), 1.25 * sample(seed + 100, 150)
        got = quantile_difference(*window(control, 0.5), *window(treatment, 0.5), 0.5)
        assert (got.ci_low > 0) == (got.lift_ci_low > 0)
        assert (got.ci_high < 0) == (got.lift_ci_high < 0)


def test_trap_negative_control_quantile_keeps_the_sign():
    control, treatment = sample(6) - 100.0, sample(7) - 99.5
    got = quantile_difference(*window(control, 0.5), *window(treatment, 0.5), 0.5)
    assert got.effect > 0
    assert got.lift > 0
    assert got.lift_ci_low > 0


def test_trap_control_quantile_zero_the_absolute_effect_survives():
    base = np.arange(-100.0, 101.0)
    got = quantile_difference(*window(base, 0.5), *window(base + 30.0, 0.5), 0.5)
    assert np.isfinite([got.effect, got.se, got.p_value, got.ci_low, got.ci_high]).all()
    assert np.isnan([got.lift, got.lift_ci_low, got.lift_ci_high]).all()


def test_trap_tied_percentile_limits_are_refused_not_reported(oracle_case):
    # Two correct bootstraps of the STAR p90 difference gave 1.2 and 12.0 as a limit: kindergarten mathk is so tied at
    # its 90th percentile that the small classes' interval is (559, 559). A refusal is the only testable answer.
    arms = star(oracle_case("quantile_ci_order_stat"))
    got = quantile_difference(*window(arms["regular"], 0.9), *window(arms["small"], 0.9), 0.9)
    assert got.effect == 12.0
    assert got.undefined
    numbers = (got.se, got.p_value, got.ci_low, got.ci_high, got.lift_ci_low, got.lift_ci_high)
    assert np.isnan(numbers).all()


@pytest.mark.parametrize("tied", ["control", "treatment"])
def test_trap_ties_in_one_arm_are_enough_to_refuse(tied):
    loose, constant = sample(8, 400), np.full(400, 1.0)
    arms = (constant, loose) if tied == "control" else (loose, constant)
    got = quantile_difference(*window(arms[0], 0.5), *window(arms[1], 0.5), 0.5)
    assert got.undefined
    assert np.isnan([got.se, got.p_value, got.ci_low, got.ci_high]).all()


def test_trap_limits_beyond_the_largest_value_are_refused():
    small, large = sample(9, 59), sample(10, 5000)
    for arms in ((small, large), (large, small)):
        got = quantile_difference(*window(arms[0], 0.99), *window(arms[1], 0.99), 0.99)
        assert got.undefined
        assert np.isnan(got.p_value)


def test_a_window_that_misses_the_limits_is_refused():
    x = sample(9, 5000)
    narrow = window(x, 0.9, width=2.0)
    wide = window(1.1 * x, 0.9)
    assert quantile_difference(*narrow, *wide, 0.9).undefined
    assert not quantile_difference(*window(x, 0.9), *wide, 0.9).undefined


def test_trap_one_sided_test_has_a_one_sided_interval():
    control, treatment = window(sample(13), 0.5), window(1.4 * sample(14), 0.5)
    two, up, down = quantile_difference(*control, *treatment, 0.5, alternative=["two_sided", "greater", "less"]).ci_low
    assert down == -np.inf
    assert up > two
    high = quantile_difference(*control, *treatment, 0.5, alternative=["two_sided", "greater", "less"]).ci_high
    assert high[1] == np.inf
    assert high[2] < high[0]


def test_one_sided_comparison_needs_only_the_limits_it_uses():
    # n = 200, q = 0.985: the treatment has no upper limit at 95 %, but "greater" does not use one.
    control, treatment = sample(15, 20_000), sample(16, 200) * 100.0
    arms = (*window(control, 0.985), *window(treatment, 0.985))
    assert quantile_difference(*arms, 0.985, alternative="two_sided").undefined
    got = quantile_difference(*arms, 0.985, alternative="greater")
    assert not got.undefined
    assert got.ci_low > 0
    assert got.p_value < 0.05


def test_swapping_the_arms_changes_signs_only():
    arms = window(sample(17, 150), 0.75), window(1.1 * sample(18, 90), 0.75)
    forth = quantile_difference(*arms[0], *arms[1], 0.75)
    back = quantile_difference(*arms[1], *arms[0], 0.75)
    assert float(forth.effect) == pytest.approx(-float(back.effect), rel=1e-12)
    assert float(forth.ci_low) == -float(back.ci_high)
    assert float(forth.ci_high) == -float(back.ci_low)
    assert float(forth.p_value) == pytest.approx(float(back.p_value), rel=1e-12)
    assert float(forth.se) == pytest.approx(float(back.se), rel=1e-12)


def test_reflecting_the_values_and_the_probability_changes_signs_only():
    control, treatment = sample(19, 150), 1.1 * sample(20, 90)
    up = quantile_difference(*window(control, 0.8), *window(treatment, 0.8), 0.8)
    down = quantile_difference(*window(-control, 0.2), *window(-treatment, 0.2), 0.2)
    assert float(up.ci_low) == pytest.approx(-float(down.ci_high), rel=1e-9)
    assert float(up.ci_high) == pytest.approx(-float(down.ci_low), rel=1e-9)
    assert float(up.p_value) == pytest.approx(float(down.p_value), rel=1e-6)
    assert float(up.se) == pytest.approx(float(down.se), rel=1e-6)


@settings(max_examples=15, deadline=None)
@given(shift=st.floats(-1e3, 1e3), scale=st.floats(0.01, 100), seed=st.integers(0, 10**6))
def test_shift_and_scale(shift, scale, seed):
    control, treatment = sample(seed, 60), sample(seed + 1, 70)
    plain = quantile_difference(*window(control, 0.5), *window(treatment, 0.5), 0.5)
    moved = quantile_difference(*window(shift + scale * control, 0.5), *window(shift + scale * treatment, 0.5), 0.5)
    for field in ("effect", "se", "ci_low", "ci_high"):
        want = scale * float(getattr(plain, field))
        assert float(getattr(moved, field)) == pytest.approx(want, rel=1e-6, abs=1e-9 * (abs(shift) + scale))
    assert float(moved.p_value) == pytest.approx(float(plain.p_value), rel=1e-9)


def test_all_cells_at_once_equal_one_cell_at_a_time():
    rng = np.random.default_rng(21)
    q = np.array([0.1, 0.5, 0.5, 0.9, 0.95, 0.5] * 30)
    alpha = np.resize([0.05, 0.01, 0.1], q.size)
    sizes = rng.integers(0, 400, (2, q.size))
    cells = [[window(rng.normal(size=n), p) for n, p in zip(row, q, strict=True)] for row in sizes]
    together = quantile_difference(*stack(*cells[0]), *stack(*cells[1]), q, alpha=alpha)
    alone = [quantile_difference(*c, *t, p, alpha=a) for c, t, p, a in zip(cells[0], cells[1], q, alpha, strict=True)]
    assert 0 < together.undefined.sum() < q.size
    for field in together._fields:
        want = np.array([getattr(result, field) for result in alone])
        np.testing.assert_allclose(getattr(together, field), want, rtol=1e-9, atol=1e-12)


def test_shapes_broadcast():
    x = window(sample(22), 0.5)
    got = quantile_difference(
        *x, *window(2 * sample(23), 0.5), 0.5, alpha=[[0.1], [0.05]], alternative=["greater", "less"]
    )
    assert got.p_value.shape == (2, 2)
    assert quantile_interval(*x[:1], 0.5, *x[1:]).ci_low.shape == ()
    empty = quantile_difference([], [], np.empty((0, 5)), [], [], np.empty((0, 4)), 0.5)
    assert empty.p_value.shape == (0,)


def test_bad_cells_are_nan_and_the_others_are_not_touched():
    good = window(sample(24, 200), 0.5)
    unsorted = (200, good[1], good[2][::-1])
    missing = (200, good[1], np.full(good[2].size, np.nan))
    no_n = (np.nan, good[1], good[2])
    zero_n = (0, 1, good[2])
    beyond = (50, good[1], good[2])
    control = stack(good, unsorted, missing, no_n, zero_n, beyond)
    got = quantile_difference(*control, *good, 0.5)
    alone = quantile_difference(*good, *good, 0.5)
    assert got.undefined.tolist() == [False, True, True, True, True, True]
    assert np.isnan(got.p_value[1:]).all()
    assert np.isnan(got.effect[1:]).all()
    assert float(got.p_value[0]) == float(alone.p_value) == 1.0
    none = quantile_interval(*(np.asarray(part) for part in control[:1]), 0.5, *control[1:])
    assert none.undefined.tolist() == [False, True, True, True, True, True]


def test_an_alpha_beyond_the_resolution_of_the_lattice_is_refused():
    arms = (*window(sample(25, 3000), 0.5), *window(2 * sample(26, 3000), 0.5))
    assert quantile_difference(*arms, 0.5, alpha=1e-5).undefined
    assert not quantile_difference(*arms, 0.5, alpha=1e-3).undefined


def test_wrong_arguments_are_refused_in_words():
    arms = (*window(sample(27), 0.5), *window(sample(28), 0.5))
    with pytest.raises(QuantileArgumentError, match="strictly between 0 and 1"):
        quantile_difference(*arms, 1.0)
    with pytest.raises(QuantileArgumentError, match="definition must be one of"):
        quantile_difference(*arms, 0.5, definition=4)
    with pytest.raises(ValueError, match="alpha"):
        quantile_difference(*arms, 0.5, alpha=1.5)
    with pytest.raises(ValueError, match="alternative"):
        quantile_difference(*arms, 0.5, alternative="larger")
    with pytest.raises(QuantileArgumentError, match="width"):
        order_statistic_window(10, 0.5, 0.0)


def test_false_positives_stay_below_alpha():
    rng = np.random.default_rng(29)
    cells = [[window(rng.lognormal(size=n), 0.9) for _ in range(600)] for n in (300, 150)]
    got = quantile_difference(*stack(*cells[0]), *stack(*cells[1]), 0.9)
    # The percentile bootstrap of a quantile is conservative (about 0.035 here); 4 Monte-Carlo errors around 0.05.
    assert not got.undefined.any()
    assert (got.p_value < 0.05).mean() < 0.05 + 4 * math.sqrt(0.05 * 0.95 / 600)
    assert (got.p_value < 0.5).mean() > 0.3
