"""Tables of counts: chi-square for any size, and exact conditional inference for two arms and two outcomes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from scipy.special import chdtrc, gammaln, xlogy

from python_stats.arguments import check_axis, takes_summaries
from python_stats.bisection import increasing_root
from python_stats.rates.one_proportion import TIE_TOLERANCE, counts
from python_stats.wald import check_alternative, tail_alpha

# Possible tables held in memory at once; cells are worked through in blocks of about this many.
TABLES_PER_BLOCK = 2_000_000

# Beyond e^-100 and e^100 no odds ratio is distinguishable from zero and infinity in double precision.
LOG_ODDS_BOUND = 100.0


class ChiSquare(NamedTuple):
    """Test of independence in a table of counts, one element per cell (table).

    Attributes
    ----------
    statistic : ndarray
        Pearson's chi-square, without continuity correction.
    df : ndarray
        ``(rows - 1) * (columns - 1)``, counting only rows and columns that are not empty.
    p_value : ndarray
        p-value of Pearson's statistic.
    g_statistic, g_p_value : ndarray
        Likelihood-ratio statistic and its p-value.
    cramers_v : ndarray
        Cramer's V, between 0 and 1, without bias correction.
    expected : ndarray
        Expected counts under independence, the shape of the tables.
    smallest_expected : ndarray
        Smallest expected count among the rows and columns that are not empty; below about 5 the chi-square
        approximation is doubtful.
    """

    statistic: NDArray[np.float64]
    df: NDArray[np.float64]
    p_value: NDArray[np.float64]
    g_statistic: NDArray[np.float64]
    g_p_value: NDArray[np.float64]
    cramers_v: NDArray[np.float64]
    expected: NDArray[np.float64]
    smallest_expected: NDArray[np.float64]


class OddsRatio(NamedTuple):
    """Odds ratio of treatment to control, one element per cell.

    Attributes
    ----------
    odds_ratio : ndarray
        Conditional maximum-likelihood estimate; 0 or infinite at the ends of what the margins allow.
    ci_low, ci_high : ndarray
        Exact limits; infinite (or 0, the end of the scale) on the open side of a one-sided alternative.
    """

    odds_ratio: NDArray[np.float64]
    ci_low: NDArray[np.float64]
    ci_high: NDArray[np.float64]


def chi_square_rxc(table: npt.ArrayLike) -> ChiSquare:
    """Chi-square test of independence for tables of any size, with expected counts, G and Cramer's V.

    Empty rows and columns say nothing about independence and are left out of the degrees of freedom. (They matter when
    counts are compared with a *planned* allocation, which is another test.) No continuity correction is made, also not
    for 2 x 2, where R and scipy make one unless told otherwise.

    Parameters
    ----------
    table : array_like, shape (..., r, c)
        Counts; leading axes are cells.

    Returns
    -------
    ChiSquare
        Arrays of shape (...), and ``expected`` of the shape of the table. Everything is NaN where a count is negative
        or missing, or fewer than two rows or two columns are filled.

    Raises
    ------
    ValueError
        When the table has fewer than two axes.

    References
    ----------
    Agresti, A. (2002). Categorical Data Analysis, 2nd ed., section 3.2.
    Cramer, H. (1946). Mathematical Methods of Statistics, section 21.9.

    Examples
    --------
    >>> result = chi_square_rxc([[10, 20, 30], [20, 20, 20]])
    >>> round(float(result.statistic), 6), float(result.df), round(float(result.p_value), 6)
    (5.333333, 2.0, 0.069483)
    """
    observed = np.asarray(table, dtype=np.float64)
    if observed.ndim < 2:
        raise ValueError(f"a table of counts needs two axes, rows and columns; found {observed.ndim}")
    check_axis("rows", axis=-2, table=observed)
    check_axis("columns", table=observed)
    with np.errstate(all="ignore"):
        usable = np.all(np.isfinite(observed) & (observed >= 0.0), axis=(-2, -1), keepdims=True)
        observed = np.where(usable, observed, np.nan)
        rows, columns = observed.sum(axis=-1, keepdims=True), observed.sum(axis=-2, keepdims=True)
        total = observed.sum(axis=(-2, -1), keepdims=True)
        filled_rows, filled_columns = (rows > 0.0).sum(axis=(-2, -1)), (columns > 0.0).sum(axis=(-2, -1))
        testable = (filled_rows > 1) & (filled_columns > 1)
        expected = np.where(testable[..., None, None], rows * columns / total, np.nan)
        filled = expected > 0.0
        residual = np.where(filled, (observed - expected) ** 2 / np.where(filled, expected, 1.0), 0.0 * expected)
        statistic = residual.sum(axis=(-2, -1))
        ratio = np.where(filled, observed / np.where(filled, expected, 1.0), 1.0)
        # Never negative in exact arithmetic; proportional rows leave a rounding residue on either side of zero.
        g_statistic = np.maximum(2.0 * (xlogy(observed, ratio) + 0.0 * expected).sum(axis=(-2, -1)), 0.0)
        df = np.where(testable, (filled_rows - 1.0) * (filled_columns - 1.0), np.nan)
        smaller = np.minimum(filled_rows, filled_columns) - 1.0
        smallest = np.where(filled, expected, np.inf).min(axis=(-2, -1))
        return ChiSquare(
            statistic=statistic,
            df=df,
            p_value=chdtrc(df, statistic),
            g_statistic=g_statistic,
            g_p_value=chdtrc(df, g_statistic),
            cramers_v=np.sqrt(statistic / (total[..., 0, 0] * np.where(testable, smaller, np.nan))),
            expected=expected,
            smallest_expected=np.where(testable, smallest, np.nan),
        )


@takes_summaries("the number of successes and of units")
def fisher_exact_2x2(
    successes_control: npt.ArrayLike,
    n_control: npt.ArrayLike,
    successes_treatment: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    *,
    alternative: npt.ArrayLike = "two_sided",
) -> NDArray[np.float64]:
    """Fisher's exact p-value for two arms and two outcomes.

    The two-sided p-value adds up all tables with the same margins that are no more likely than the observed one (R's
    ``fisher.test``); it is not the doubled one-sided one.

    Parameters
    ----------
    successes_control, n_control, successes_treatment, n_treatment : array_like
        Units with the outcome, and units, in each arm; whole numbers. Time and memory grow with the smaller margin, so
        this is meant for small counts.
    alternative : array_like of str
        ``"greater"``: the treatment's odds are higher.

    Returns
    -------
    ndarray
        p-values. A table whose margins allow no other (nobody or everybody had the outcome) has p = 1, which is exact.
        NaN where the counts are impossible or not whole.

    Raises
    ------
    UnknownAlternativeError
        For an unknown alternative.

    References
    ----------
    Agresti, A. (2002). Categorical Data Analysis, 2nd ed., section 3.5.

    Examples
    --------
    >>> round(float(fisher_exact_2x2(10, 13, 2, 17)), 8)
    0.00053672
    """
    side = check_alternative(alternative)
    shape, x_c, n_c, x_t, n_t, side = _whole_counts(
        successes_control, n_control, successes_treatment, n_treatment, side
    )
    result = np.full(x_c.shape, np.nan)
    for cells in _blocks(x_c, n_c, x_t, n_t):
        tables = _Tables(x_c[cells], n_c[cells], x_t[cells], n_t[cells])
        weight = tables.weights(np.zeros(tables.observed.size))
        observed = tables.total(np.where(tables.x == tables.of(tables.observed), weight, 0.0))
        counted = np.select(
            [tables.of(side[cells]) == "greater", tables.of(side[cells]) == "less"],
            [tables.x >= tables.of(tables.observed), tables.x <= tables.of(tables.observed)],
            weight <= tables.of(observed) * (1.0 + TIE_TOLERANCE),
        )
        result[cells] = np.minimum(tables.total(np.where(counted, weight, 0.0)) / tables.total(weight), 1.0)
    return result.reshape(shape)


@takes_summaries("the number of successes and of units")
def conditional_odds_ratio(
    successes_control: npt.ArrayLike,
    n_control: npt.ArrayLike,
    successes_treatment: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    *,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
) -> OddsRatio:
    """Conditional maximum-likelihood odds ratio with exact limits, the companion of Fisher's test.

    It is the estimate R's ``fisher.test`` prints, not the sample odds ratio ``ad / bc``. R finds the limits with a
    loose tolerance (the third digit can differ); scipy's ``contingency.odds_ratio`` has the exact ones.

    Parameters
    ----------
    successes_control, n_control, successes_treatment, n_treatment : array_like
        Units with the outcome, and units, in each arm; whole numbers, meant for small counts.
    alpha, alternative : array_like
        As in `python_stats.wald`; the open side of a one-sided interval is 0 or infinite.

    Returns
    -------
    OddsRatio
        NaN where the counts are impossible or not whole, or the margins allow only one table.

    Raises
    ------
    AlphaError, UnknownAlternativeError
        For wrong arguments; both are ValueErrors.

    References
    ----------
    Agresti, A. (2002). Categorical Data Analysis, 2nd ed., section 3.6.

    Examples
    --------
    >>> [round(float(x), 6) for x in conditional_odds_ratio(10, 13, 2, 17)]
    [0.046937, 0.003317, 0.36319]
    """
    side = check_alternative(alternative)
    tail = tail_alpha(alpha, side)
    shape, x_c, n_c, x_t, n_t, side, tail = _whole_counts(
        successes_control, n_control, successes_treatment, n_treatment, side, tail
    )
    ratio, low, high = (np.full(x_c.shape, np.nan) for _ in range(3))
    for cells in _blocks(x_c, n_c, x_t, n_t):
        tables = _Tables(x_c[cells], n_c[cells], x_t[cells], n_t[cells])
        ratio[cells] = tables.solve(tables.x, tables.observed)
        low[cells] = tables.solve(tables.x >= tables.of(tables.observed), tail[cells])
        high[cells] = tables.solve(tables.x > tables.of(tables.observed), 1.0 - tail[cells])
    return OddsRatio(
        odds_ratio=ratio.reshape(shape),
        ci_low=np.where((side == "less") & ~np.isnan(low), 0.0, low).reshape(shape),
        ci_high=np.where((side == "greater") & ~np.isnan(high), np.inf, high).reshape(shape),
    )


class _Tables:
    """All tables with the margins of each cell, laid end to end, so that no loop over cells is needed."""

    def __init__(
        self, x_c: NDArray[np.float64], n_c: NDArray[np.float64], x_t: NDArray[np.float64], n_t: NDArray[np.float64]
    ) -> None:
        successes = x_c + x_t
        self.observed = x_t
        self.first = np.maximum(0.0, successes - n_c)
        self.last = np.minimum(successes, n_t)
        self.sizes = (self.last - self.first + 1.0).astype(np.int64)
        self.starts = np.concatenate([[0], np.cumsum(self.sizes)[:-1]]).astype(np.int64)
        within = np.arange(self.sizes.sum()) - self.of(self.starts)
        self.x = self.of(self.first) + within
        rest = self.of(successes) - self.x
        self.log_weight = -(
            gammaln(self.x + 1.0)
            + gammaln(self.of(n_t) - self.x + 1.0)
            + gammaln(rest + 1.0)
            + gammaln(self.of(n_c) - rest + 1.0)
        )

    def of(self, per_cell: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """Repeat a value per cell for each of the cell's tables."""
        return np.repeat(per_cell, self.sizes)

    def total(self, per_table: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum a value per table within each cell."""
        return np.add.reduceat(per_table, self.starts)

    def weights(self, log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Relative probabilities of the tables when the odds ratio is ``exp(log_odds)``; the largest is 1."""
        logs = self.log_weight + self.x * self.of(log_odds)
        with np.errstate(under="ignore"):
            return np.exp(logs - self.of(np.maximum.reduceat(logs, self.starts)))

    def solve(self, value: npt.NDArray[np.generic], target: NDArray[np.float64]) -> NDArray[np.float64]:
        """Odds ratio at which the mean of an increasing ``value`` of the table is ``target``, with 0 and infinity."""
        per_table = value.astype(np.float64)

        def excess(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
            weight = self.weights(log_odds)
            return self.total(weight * per_table) / self.total(weight) - target

        bound = np.full(self.observed.shape, LOG_ODDS_BOUND)
        result = np.exp(increasing_root(excess, -bound, bound))
        lowest, highest = per_table[self.starts], per_table[self.starts + self.sizes - 1]
        result = np.where(target <= lowest, 0.0, np.where(target >= highest, np.inf, result))
        return np.where(self.sizes > 1, result, np.nan)


def _whole_counts(
    successes_control: npt.ArrayLike,
    n_control: npt.ArrayLike,
    successes_treatment: npt.ArrayLike,
    n_treatment: npt.ArrayLike,
    *others: npt.ArrayLike,
) -> tuple[Any, ...]:
    """Return the common shape, then flat counts (NaN where any is impossible or not whole) and flat others."""
    x_c, n_c = counts(successes_control, n_control)
    x_t, n_t = counts(successes_treatment, n_treatment)
    x_c, n_c, x_t, n_t, *rest = np.broadcast_arrays(x_c, n_c, x_t, n_t, *others)
    with np.errstate(invalid="ignore"):
        whole = np.all([value == np.floor(value) for value in (x_c, n_c, x_t, n_t)], axis=0)
    cleaned = (np.where(whole, value, np.nan).ravel() for value in (x_c, n_c, x_t, n_t))
    return (x_c.shape, *cleaned, *(value.ravel() for value in rest))


def _blocks(
    x_c: NDArray[np.float64], n_c: NDArray[np.float64], x_t: NDArray[np.float64], n_t: NDArray[np.float64]
) -> Iterator[NDArray[np.int64]]:
    """Yield the indices of usable cells in groups whose tables fit in memory together."""
    usable = np.flatnonzero(np.isfinite(x_c))
    successes = (x_c + x_t)[usable]
    sizes = np.minimum(successes, n_t[usable]) - np.maximum(0.0, successes - n_c[usable]) + 1.0
    block = (np.cumsum(sizes) // TABLES_PER_BLOCK).astype(np.int64)
    for number in np.unique(block):
        yield usable[block == number]
