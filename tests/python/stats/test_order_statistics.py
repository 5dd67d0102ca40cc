"""Windows of order statistics, sample quantiles and their standard errors: reference cases and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

from python_stats.quantiles.order_statistics import order_statistic_window, quantile_standard_error, sample_quantile

PROBS = (0.5, 0.9, 0.99)
METHODS = {1: "inverted_cdf", 2: "averaged_inverted_cdf", 6: "weibull", 7: "linear", 8: "median_unbiased"}


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


# ---- the window


@pytest.mark.parametrize("n", [1, 2, 10, 59, 1000, 10**6, 10**9])
@pytest.mark.parametrize("q", [0.001, 0.01, 0.5, 0.9, 0.999])
def test_window_leaves_less_than_1e_7_of_the_rank_outside_and_costs_about_12_deviations(n, q):
    ranks = order_statistic_window(n, q)
    first, last = int(ranks.first_rank), int(ranks.last_rank)
    assert 1 <= first <= last <= n
    outside = (binom.cdf(first - 1, n + 1, q) if first > 1 else 0.0) + (binom.sf(last, n + 1, q) if last < n else 0.0)
    assert outside < 1e-7
    assert last - first + 1 <= 12.0 * math.sqrt(n * q * (1 - q) + 1.0) + 4.0


def test_window_is_the_same_seen_from_the_other_end():
    low, high = order_statistic_window(5000, 0.1), order_statistic_window(5000, 0.9)
    assert int(low.first_rank) == 5001 - int(high.last_rank)
    assert int(low.last_rank) == 5001 - int(high.first_rank)


def test_window_of_an_empty_or_missing_cell_is_empty():
    ranks = order_statistic_window([0, np.nan, 10], 0.5)
    np.testing.assert_array_equal(ranks.last_rank - ranks.first_rank + 1, [0, 0, 10])


def test_window_widens_with_the_design_effect():
    plain, clustered = order_statistic_window(10**6, 0.9), order_statistic_window(10**6, 0.9, design_effect=9.0)
    ratio = (clustered.last_rank - clustered.first_rank) / (plain.last_rank - plain.first_rank)
    assert ratio == pytest.approx(3.0, rel=0.01)


# ---- definitions


def test_definitions_match_r(oracle_case):
    case = oracle_case("quantile_definitions")
    arms = star(case)
    for arm, x in arms.items():
        case.check(f"n_{arm}", x.size)
    epil = case.table("cases/epil_subject.csv")["y"]
    for definition in METHODS:
        for arm, x in arms.items():
            got = [sample_quantile(*(w := window(x, q))[:1], q, *w[1:], definition=definition) for q in PROBS]
            case.check(f"{arm}_type{definition}", got)
        got = [sample_quantile(*(w := window(epil, q))[:1], q, *w[1:], definition=definition) for q in PROBS]
        case.check(f"epil_y_type{definition}_p50_p90_p99", got)


@pytest.mark.parametrize("definition", METHODS)
@pytest.mark.parametrize("n", [1, 2, 3, 7, 20, 59, 100, 1000])
def test_definitions_match_numpy_at_every_hundredth(definition, n):
    x = sample(n, n)
    probabilities = np.arange(1, 100) / 100
    n_, first, values = stack(*(window(x, q) for q in probabilities))
    got = sample_quantile(n_, probabilities, first, values, definition=definition)
    # numpy decides "is n q a whole number" without tolerance; exact fractions decide here.
    whole = (np.arange(1, 100) * n) % 100 == 0
    want = np.quantile(x, probabilities, method=METHODS[definition])
    plain = ~whole if definition in (1, 2) else np.ones(99, bool)
    np.testing.assert_allclose(got[plain], want[plain], rtol=1e-12)
    if definition in (1, 2):
        rank = (np.arange(1, 100) * n // 100)[whole]
        ordered = np.append(np.sort(x), np.nan)
        exact = ordered[rank - 1] if definition == 1 else (ordered[rank - 1] + ordered[rank]) / 2
        np.testing.assert_allclose(got[whole], exact, rtol=1e-12)


def test_trap_same_name_different_quantile_p99_of_59_values():
    # MASS::epil totals by subject end in 143, 302. R 4.2.2: 302 by type 1 (quantile_disc), 209.78 by 7 (quantile_cont).
    x = np.concatenate([np.zeros(57), [143.0, 302.0]])
    n, first, values = window(x, 0.99)
    assert float(sample_quantile(n, 0.99, first, values, definition=1)) == 302.0
    assert float(sample_quantile(n, 0.99, first, values, definition=7)) == pytest.approx(209.78)


def test_a_value_that_is_not_in_the_window_is_not_invented():
    x = np.arange(1.0, 101.0)
    assert np.isnan(sample_quantile(100, 0.5, 60, x[59:80]))
    assert float(sample_quantile(100, 0.5, 50, x[49:51])) == 50.5
    assert float(sample_quantile(100, 0.5, 50, x[49:50], definition=1)) == 50.0


# ---- standard error


def test_spacing_error_of_equally_spaced_values_is_the_closed_form():
    n, q = 10_000, np.array([0.1, 0.5, 0.9])
    grid = np.arange(1.0, n + 1.0)
    cells = stack(*(window(grid, p) for p in q))
    np.testing.assert_allclose(quantile_standard_error(cells[0], q, *cells[1:]), np.sqrt(n * q * (1 - q)), rtol=1e-12)


def test_spacing_error_approaches_the_asymptotic_one():
    x = np.random.default_rng(5).exponential(size=200_000)
    for q in (0.5, 0.9):
        n, first, values = window(x, q)
        asymptotic = math.sqrt(q * (1 - q) / n) / (1 - q)
        assert float(quantile_standard_error(n, q, first, values)) == pytest.approx(asymptotic, rel=0.05)
