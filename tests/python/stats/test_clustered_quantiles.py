"""Quantiles of clustered values: closed forms, refusals, and error rates against treating them as independent."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import t as student

from python_stats.quantiles.clustered import clustered_quantile_difference, clustered_quantile_interval
from python_stats.quantiles.index_comparison import quantile_interval
from python_stats.quantiles.order_statistics import order_statistic_window


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


def test_clustered_interval_with_independent_events_is_the_normal_approximation_of_the_exact_ranks():
    n, q = 100_000, 0.9
    x = np.arange(1.0, n + 1.0)
    w = window(x, q)
    exact = quantile_interval(n, q, *w[1:])
    outer = clustered_quantile_interval(n, q, q * (1 - q) / n, *w[1:])
    assert abs(float(exact.rank_low - outer.rank_low)) <= 2
    assert abs(float(exact.rank_high - outer.rank_high)) <= 2
    assert float(outer.coverage) == pytest.approx(float(exact.coverage), abs=2e-3)
    assert float(outer.se) == float(exact.se)


def test_outer_ranks_are_rounded_outwards_alike_at_both_ends():
    x = np.arange(1.0, 1001.0)
    for q in (0.1, 0.5, 0.75):
        got = clustered_quantile_interval(1000, q, 2e-4, 1, x)
        half = 1.959963984540054 * 1000 * math.sqrt(2e-4)
        assert float(got.rank_low) == math.floor(1000 * q - half)
        assert float(got.rank_high) == math.ceil(1000 * q + half) + 1
        mirrored = clustered_quantile_interval(1000, 1 - q, 2e-4, 1, -x[::-1])
        assert float(mirrored.rank_low) == 1001 - float(got.rank_high)
        assert float(mirrored.ci_low) == -float(got.ci_high)


def clustered_events(rng, units, shift=0.0):
    """Latencies of users who each have their own level; the sizes depend on the level."""
    level = rng.normal(size=units)
    sizes = 1 + rng.poisson(np.exp(1.0 + 0.3 * level))
    user = np.repeat(np.arange(units), sizes)
    return shift + level[user] + 0.5 * rng.normal(size=user.size), user


def variance_of_share(x, user, q):
    """Delta-method variance of the share of events below the quantile, from totals per user."""
    below = (x <= np.quantile(x, q)).astype(float)
    size, total = np.bincount(user).astype(float), np.bincount(user, below)
    residual = total - below.mean() * size
    return size.size * residual.var(ddof=1) / x.size**2


def test_trap_clustered_events_analysed_as_rows():
    rng = np.random.default_rng(31)
    count = 250
    arms = [[clustered_events(rng, 150) for _ in range(count)] for _ in range(2)]
    q = 0.8
    cells, variances = [], []
    for arm in arms:
        rows = []
        for x, _ in arm:
            x = np.sort(x)
            rows.append((x.size, 1, x))
        cells.append(stack(*rows))
        variances.append(np.array([variance_of_share(x, user, q) for x, user in arm]))
    (n_c, f_c, v_c), (n_t, f_t, v_t) = cells
    good = clustered_quantile_difference(n_c, variances[0], f_c, v_c, n_t, variances[1], f_t, v_t, q)
    flat = [q * (1 - q) / n for n in (n_c, n_t)]
    bad = clustered_quantile_difference(n_c, flat[0], f_c, v_c, n_t, flat[1], f_t, v_t, q)
    rejected, naive = (good.p_value < 0.05).mean(), (bad.p_value < 0.05).mean()
    assert rejected < 0.05 + 4 * math.sqrt(0.05 * 0.95 / count)
    assert naive > 0.15


def test_clustered_difference_in_closed_form_and_swapped():
    grid = np.arange(1.0, 1001.0)
    arms = [(1000, 1e-3, 1, grid), (1000, 4e-3, 1, grid + 200.0)]
    got = clustered_quantile_difference(*arms[0], *arms[1], 0.5)
    # Unit spacing: the standard error of each arm is n times that of the share.
    assert float(got.se) == pytest.approx(1000 * math.sqrt(5e-3))
    assert float(got.effect) == 200.0
    assert float(got.lift) == pytest.approx(200 / 500.5)
    assert float(got.ci_high) == pytest.approx(200 + 1.959964 * float(got.se), rel=1e-6)
    back = clustered_quantile_difference(*arms[1], *arms[0], 0.5)
    assert float(back.ci_low) == pytest.approx(-float(got.ci_high))
    assert float(back.p_value) == pytest.approx(float(got.p_value))


def test_trap_clustered_limits_outside_the_window_or_tied_are_refused():
    x = np.arange(1.0, 10_001.0)
    n, first, values = window(x, 0.5)
    variance = 25.0 * 0.25 / n
    assert clustered_quantile_interval(n, 0.5, variance, first, values).undefined
    ranks = order_statistic_window(n, 0.5, design_effect=25.0)
    values = x[int(ranks.first_rank) - 1 : int(ranks.last_rank)]
    assert not clustered_quantile_interval(n, 0.5, variance, ranks.first_rank, values).undefined
    tied = clustered_quantile_interval(n, 0.5, variance, ranks.first_rank, np.full(values.size, 3.0))
    assert tied.undefined
    assert np.isnan([tied.ci_low, tied.ci_high, tied.se]).all()
    for missing in (0.0, -1.0, np.nan):
        got = clustered_quantile_interval(n, 0.5, missing, ranks.first_rank, values)
        assert got.undefined
        assert np.isnan([got.ci_low, got.se, got.coverage]).all()


def test_trap_a_normal_reference_with_ten_clusters():
    grid = np.arange(1.0, 10_001.0)
    arms = (10_000, 4e-4, 1, grid), (10_000, 4e-4, 1, grid + 800.0)
    normal, few = (clustered_quantile_difference(*arms[0], *arms[1], 0.5, df=df) for df in (np.inf, 8.0))
    assert float(few.se) == float(normal.se)
    assert float(few.p_value) == pytest.approx(2 * student.sf(800 / float(few.se), 8))
    assert few.p_value > 2 * normal.p_value
    assert float(few.ci_high) == pytest.approx(800 + student.ppf(0.975, 8) * float(few.se))
    # The arm's own limits move outwards too, so that few clusters are refused earlier.
    outer = clustered_quantile_interval(10_000, 0.5, 4e-4, 1, grid, df=8.0)
    assert float(outer.rank_low) == math.floor(10_000 * (0.5 - student.ppf(0.975, 8) * 0.02))
    assert float(outer.coverage) == pytest.approx(0.95, abs=2e-3)
    assert clustered_quantile_interval(10_000, 0.5, 4e-2, 1, grid, df=[np.inf, 4.0]).undefined.tolist() == [False, True]
