"""Winsorised means in two conventions, trimmed means, Yuen's test."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from python_stats.means.robust import (
    ProportionError,
    cut_ranks,
    trimmed_mean_se,
    winsorized_moments_by_cutoff,
    winsorized_moments_by_rank,
    yuen_t,
)
from python_stats.means.welch import welch_t


def variance(values):
    return values.var(ddof=1) if values.size > 1 else np.nan


def by_rank(values, proportion):
    """Arguments of `winsorized_moments_by_rank` for one sample: what SQL computes between two ranks."""
    ordered, ranks = np.sort(values), cut_ranks(len(values), proportion)
    core = ordered[int(ranks.rank_low) - 1 : int(ranks.rank_high)]
    return len(values), core.mean(), variance(core), core[0], core[-1]


def by_cutoff(values, low, high):
    core = values[(values >= low) & (values <= high)]
    mean = core.mean() if core.size else np.nan
    return (values < low).sum(), low, core.size, mean, variance(core), (values > high).sum(), high


def test_winsorised_means_match_wrs2_and_psych(oracle_case):
    case = oracle_case("winsorised_mean")
    y = case.table()["y"]
    rank = winsorized_moments_by_rank(*by_rank(y, 0.05), proportion=0.05)
    case.check("winmean_order_stat_WRS2", rank.mean)
    case.check("winvar_order_stat_WRS2", rank.var)
    case.check("trimse_05", trimmed_mean_se(rank.var, y.size, proportion=0.05))
    cutoffs = np.quantile(y, [0.05, 0.95])
    both = winsorized_moments_by_cutoff(*by_cutoff(y, *cutoffs))
    case.check("winmean_quantile_type7_psych", both.mean)
    case.check("winmean_quantile_type7_closed", both.mean)
    upper = winsorized_moments_by_cutoff(*by_cutoff(y, -np.inf, cutoffs[1]))
    case.check("upper_only_p95_type7", upper.mean)
    case.check("mean", winsorized_moments_by_rank(*by_rank(y, 0.0), proportion=0.0).mean)
    assert rank.n == both.n == upper.n == y.size


def test_trap_two_conventions_share_the_name():
    # The same ten values by SciPy's mstats.winsorize(limits=0.1) and by NumPy's quantile(0.1), quantile(0.9).
    y = np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 9, 100])
    rank = winsorized_moments_by_rank(*by_rank(y, 0.1), proportion=0.1)
    cutoff = winsorized_moments_by_cutoff(*by_cutoff(y, 1.9, 18.1))
    assert float(rank.mean) == pytest.approx(5.5)
    assert float(cutoff.mean) == pytest.approx(6.4)


def test_yuen_matches_wrs2(oracle_case):
    case = oracle_case("yuen_trimmed")
    data = case.table()
    groups = {name: data["change"][data["Treat"] == name] for name in ("CBT", "Cont")}
    arms = {}
    for name, values in groups.items():
        args = by_rank(values, 0.2)
        moments = winsorized_moments_by_rank(*args)
        arms[name] = args[1], moments.var, values.size
        case.check(f"trimmed_mean_{name}", args[1])
        case.check(f"winvar_{name}", moments.var)
        case.check(f"h_{name}", cut_ranks(values.size).n_kept)
    got = yuen_t(*arms["Cont"], *arms["CBT"])
    case.check("diff", got.effect)
    case.check("t", got.statistic)
    case.check("df", got.df)
    case.check("p", got.p_value)
    case.check("ci95", [got.ci_low, got.ci_high])


def test_yuen_matches_scipy():
    from scipy.stats import ttest_ind

    rng = np.random.default_rng(1)
    for proportion in (0.0, 0.05, 0.2, 0.37):
        control, treatment = rng.standard_t(2, 53), 0.5 + 2 * rng.standard_t(2, 38)
        arms = []
        for values in (control, treatment):
            args = by_rank(values, proportion)
            arms += [args[1], winsorized_moments_by_rank(*args, proportion=proportion).var, values.size]
        got = yuen_t(*arms, proportion=proportion)
        want = ttest_ind(treatment, control, equal_var=False, trim=proportion)
        np.testing.assert_allclose(
            [got.statistic, got.df, got.p_value], [want.statistic, want.df, want.pvalue], rtol=1e-9
        )


def test_yuen_without_trimming_is_welch():
    got = yuen_t(1.0, 2.0, 30, 1.5, 5.0, 40, proportion=0.0)
    want = welch_t(1.0, 2.0, 30, 1.5, 5.0, 40)
    for field in got._fields:
        assert float(getattr(got, field)) == pytest.approx(float(getattr(want, field)), rel=1e-12)


@settings(max_examples=50, deadline=None)
@given(
    values=st.lists(st.floats(-1e4, 1e4), min_size=2, max_size=40).map(np.array),
    cuts=st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)).map(sorted),
    proportion=st.sampled_from([0.0, 0.05, 0.2, 0.45]),
)
def test_moments_are_those_of_the_clipped_values(values, cuts, proportion):
    got = winsorized_moments_by_cutoff(*by_cutoff(values, *cuts))
    clipped = np.clip(values, *cuts)
    assert float(got.n) == values.size
    assert float(got.mean) == pytest.approx(clipped.mean(), rel=1e-9, abs=1e-9)
    assert float(got.var) == pytest.approx(clipped.var(ddof=1), rel=1e-9, abs=1e-6)
    args = by_rank(values, proportion)
    got = winsorized_moments_by_rank(*args, proportion=proportion)
    clipped = np.clip(values, args[3], args[4])
    assert float(got.mean) == pytest.approx(clipped.mean(), rel=1e-9, abs=1e-9)
    assert float(got.var) == pytest.approx(clipped.var(ddof=1), rel=1e-9, abs=1e-6)


def test_variance_survives_a_mean_far_from_zero():
    y = np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 9, 100])
    near = winsorized_moments_by_cutoff(*by_cutoff(y, 2.0, 9.0))
    far = winsorized_moments_by_cutoff(*by_cutoff(y + 1e9, 1e9 + 2.0, 1e9 + 9.0))
    assert float(far.var) == pytest.approx(float(near.var), rel=1e-9)


def test_trap_a_cap_keeps_n_zeros_included_and_never_raises_a_value():
    y = np.array([0.0] * 90 + [5.0] * 8 + [1000.0] * 2)
    got = winsorized_moments_by_cutoff(*by_cutoff(y, -np.inf, 100.0))
    assert got.n == 100
    assert float(got.mean) == pytest.approx((8 * 5 + 2 * 100) / 100)
    untouched = winsorized_moments_by_cutoff(*by_cutoff(y, -np.inf, 5000.0))
    assert float(untouched.mean) == pytest.approx(y.mean())
    binary = winsorized_moments_by_cutoff(*by_cutoff(np.array([0.0] * 99 + [1.0]), -np.inf, 1.0))
    assert float(binary.mean) == pytest.approx(0.01)


def test_trap_cutoffs_per_arm_would_hide_the_effect():
    control = np.concatenate([np.zeros(90), np.full(10, 10.0)])
    treatment = np.concatenate([np.zeros(90), np.full(10, 30.0)])
    pooled = np.quantile(np.concatenate([control, treatment]), 0.99)
    means = [winsorized_moments_by_cutoff(*by_cutoff(x, -np.inf, pooled)).mean for x in (control, treatment)]
    assert float(means[1] - means[0]) == pytest.approx(2.0)


def test_whole_number_of_cut_values_in_spite_of_rounding():
    assert cut_ranks(100, 0.29).n_cut == 29
    assert cut_ranks(59, 0.05).n_cut == 2
    assert cut_ranks(10, 0.1).n_cut == 1
    assert cut_ranks(9, 0.1).n_cut == 0


def test_all_cells_at_once_equal_one_cell_at_a_time_and_swapped_arms_change_sign():
    rng = np.random.default_rng(2)
    arms = rng.uniform(1, 50, (6, 20))
    arms[2], arms[5] = np.floor(arms[2]), np.floor(arms[5])
    side = np.resize(["two_sided", "greater", "less"], 20)
    together = yuen_t(*arms, alternative=side)
    back = yuen_t(*arms[[3, 4, 5, 0, 1, 2]])
    for cell in range(20):
        alone = yuen_t(*arms[:, cell], alternative=side[cell])
        for field in alone._fields:
            np.testing.assert_allclose(getattr(together, field)[cell], getattr(alone, field), rtol=1e-12)
    np.testing.assert_allclose(back.statistic, -together.statistic, rtol=1e-12)


def test_bad_cells_are_nan_and_the_others_are_not_touched():
    n = [10, 0, 1, np.nan, 10, 10]
    got = winsorized_moments_by_rank(n, [2.0, 2.0, 2.0, 2.0, np.nan, 2.0], 1.0, 1.0, 3.0)
    np.testing.assert_array_equal(np.isnan(got.mean), [False, True, False, True, True, False])
    np.testing.assert_array_equal(np.isnan(got.var), [False, True, True, True, True, False])
    yuen = yuen_t([1.0] * 6, [2.0, 2.0, 0.0, np.nan, -1.0, 2.0], [30, 3, 30, 30, 30, 0], 2.0, [2, 2, 0, 2, 2, 2], 30)
    np.testing.assert_array_equal(np.isnan(yuen.p_value), [False, False, True, True, True, True])
    np.testing.assert_array_equal(yuen.effect, 1.0)
    assert yuen.se[2] == 0.0
    one_kept = yuen_t(1.0, 2.0, 3, 2.0, 2.0, 30, proportion=0.4)
    assert np.isnan([one_kept.p_value, one_kept.ci_low, one_kept.se]).all()
    assert np.isnan(trimmed_mean_se([1.0, -1.0, np.nan], [1, 10, 10])).all()
    below_only = winsorized_moments_by_cutoff(3, 5.0, 0, np.nan, np.nan, 0, np.nan)
    assert (float(below_only.n), float(below_only.mean), float(below_only.var)) == (3.0, 5.0, 0.0)
    assert np.isnan(winsorized_moments_by_cutoff(1, np.nan, 5, 1.0, 1.0, 0, np.nan).mean)
    assert np.isnan(winsorized_moments_by_cutoff(-1, 0.0, 5, 1.0, 1.0, 0, np.nan).n)


def test_trap_a_constant_core_has_no_p_value():
    got = yuen_t(0.1, 1e-34, 100, 0.1, 1e-34, 100)
    assert np.isnan([got.statistic, got.p_value, got.ci_low]).all()


@pytest.mark.parametrize("proportion", [-0.1, 0.5, np.nan])
def test_wrong_proportion_is_refused_in_words(proportion):
    with pytest.raises(ProportionError, match="proportion must be in"):
        cut_ranks(10, proportion)
    with pytest.raises(ProportionError, match="proportion must be in"):
        yuen_t(1, 1, 10, 1, 1, 10, proportion=proportion)
    with pytest.raises(ProportionError, match="proportion must be in"):
        trimmed_mean_se(1, 10, proportion=proportion)
