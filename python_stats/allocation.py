"""Sample-ratio mismatch: do the arms hold the share of units that they were planned to hold."""

from __future__ import annotations

from itertools import combinations
from math import comb
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from scipy.special import betainc, chdtrc, expit, gammaln, xlog1py, xlogy

from python_stats.arguments import check_axis

__all__ = [
    "ExactMultinomial",
    "SequentialSrm",
    "Srm",
    "exact_multinomial",
    "sequential_srm",
    "srm_chi_square",
    "srm_over_phases",
]

FloatArray = NDArray[np.float64]

# Probabilities that differ by less are ties of the same exact number (R's binom.test uses the same).
TIE = 1e-7
# Counts beyond this are not whole numbers in double precision, and steps of one no steps.
LARGEST_WHOLE = 2.0**53
# Eigenvalues of a matrix with unit diagonal below this are the directions in which counts cannot vary.
NO_VARIATION = 1e-9


class Srm(NamedTuple):
    """Observed against planned allocation, one element per experiment (or segment).

    Attributes
    ----------
    statistic : ndarray
        Pearson's chi-square over the arms with a positive planned share.
    df : ndarray
        Number of arms with a positive planned share, minus one.
    p_value : ndarray
        p-value of the mismatch.
    max_relative_deviation : ndarray
        Largest ``|observed / expected - 1|`` over those arms: the practical size, which a million units do not inflate.
    is_unplanned : ndarray of bool
        Whether an arm with a planned share of zero has units. They take no part in the statistic.
    has_empty_arm : ndarray of bool
        Whether an arm with a positive planned share has no units although others do: an alarm whatever the p-value.
    """

    statistic: FloatArray
    df: FloatArray
    p_value: FloatArray
    max_relative_deviation: FloatArray
    is_unplanned: NDArray[np.bool_]
    has_empty_arm: NDArray[np.bool_]


class ExactMultinomial(NamedTuple):
    """Exact test of an allocation.

    Attributes
    ----------
    p_value : ndarray
        Probability, under the plan, of counts that are no more probable than the observed ones.
    is_exact : ndarray of bool
        False where the p-value was simulated (and where there is none).
    """

    p_value: FloatArray
    is_exact: NDArray[np.bool_]


class SequentialSrm(NamedTuple):
    """Sequential test of an allocation at every look, shape (..., looks).

    Attributes
    ----------
    log_bayes_factor : ndarray
        Natural logarithm of the Bayes factor of a mismatch against the plan, from all units so far.
    p_value : ndarray
        Running minimum of ``1 / bayes_factor``, at most 1: below alpha at any look, ever, with probability at most
        alpha when the plan is kept.
    posterior_probability : ndarray
        Probability of a mismatch at even prior odds.
    is_unplanned : ndarray of bool
        Whether an arm has had units while its planned share was zero. They take no part in the rest.
    """

    log_bayes_factor: FloatArray
    p_value: FloatArray
    posterior_probability: FloatArray
    is_unplanned: NDArray[np.bool_]


def srm_chi_square(observed: npt.ArrayLike, expected_share: npt.ArrayLike) -> Srm:
    """Test planned shares by Pearson's chi-square.

    For one look at the data, at one allocation: `sequential_srm` may be read every day, `srm_over_phases` knows ramps.

    Parameters
    ----------
    observed : array_like, shape (..., arms)
        Assigned units.
    expected_share : array_like, shape (..., arms)
        Planned shares, as fractions, percent or weights. NaN marks an arm that the experiment does not have.

    Returns
    -------
    Srm
        Statistic and p-value are NaN with fewer than two planned arms, without units, or with a negative or missing
        count or share; degrees of freedom and flags are given all the same.

    References
    ----------
    Fabijan, A. et al. (2019). Diagnosing sample ratio mismatch in online controlled experiments. KDD 2019, 2156-2164.

    Examples
    --------
    >>> result = srm_chi_square([[821588, 815482, 0], [500, 480, 20]], [[50, 50, np.nan], [50, 50, 0]])
    >>> result.statistic.round(4).tolist(), result.df.tolist(), result.is_unplanned.tolist()
    ([22.7744, 0.4082], [1.0, 1.0], [False, True])
    """
    counts, share, planned, bad = _plan(observed, expected_share)
    with np.errstate(all="ignore"):
        total = counts.sum(axis=-1, keepdims=True, where=planned)
        expected = np.where(planned, total * share, np.nan)
        statistic = ((counts - expected) ** 2 / expected).sum(axis=-1, where=planned)
        deviation = np.abs(counts / expected - 1).max(axis=-1, where=planned, initial=0.0)
    return _srm(statistic, planned.sum(axis=-1) - 1.0, deviation, counts, expected, planned, bad, share == 0)


def srm_over_phases(observed: npt.ArrayLike, expected_share: npt.ArrayLike) -> Srm:
    """Test planned shares that changed on the way (a ramp), each unit against the allocation in force.

    The differences between observed and expected counts are summed over the phases and compared with the sum of their
    multinomial covariances, as Mantel and Haenszel do over strata: a mismatch that goes the same way in every phase
    adds up, one of a single small phase is diluted by the others and shows better in that phase's own `srm_chi_square`.
    With one phase the two are the same.

    Parameters
    ----------
    observed : array_like, shape (..., phases, arms)
        Assigned units per phase; a phase without units adds nothing.
    expected_share : array_like, shape (..., phases, arms)
        Planned shares of each phase. NaN marks an arm or a phase that the experiment does not have.

    Returns
    -------
    Srm
        Degrees of freedom are the independent differences that the phases with units allow. Flags are as for
        `srm_chi_square`, an arm being empty when it has no units over all phases together; NaN as there.

    References
    ----------
    Mantel, N. & Haenszel, W. (1959). Statistical aspects of the analysis of data from retrospective studies of disease.
    Journal of the National Cancer Institute 22, 719-748.

    Examples
    --------
    >>> result = srm_over_phases([[950, 50], [500, 500]], [[95, 5], [50, 50]])
    >>> float(result.statistic), float(result.p_value)
    (0.0, 1.0)
    """
    counts, share, planned, bad = _plan(observed, expected_share)
    with np.errstate(all="ignore"):
        total = counts.sum(axis=-1, keepdims=True, where=planned)
        weight = np.where(planned, total * share, 0.0)
        expected = weight.sum(axis=-2)
        difference = np.where(planned, counts - weight, 0.0).sum(axis=-2)
        # Sum of n * (diag(share) - share share') over phases.
        joint = np.einsum("...pi,...pj->...ij", weight, np.where(planned, share, 0.0))
        covariance = np.eye(counts.shape[-1]) * expected[..., None, :] - joint
        size = np.sqrt(np.maximum(np.diagonal(covariance, axis1=-2, axis2=-1), 0.0))
        scale = np.divide(1.0, size, out=np.zeros_like(size), where=size > 0)
        matrix = covariance * scale[..., :, None] * scale[..., None, :]
        values, vectors = np.linalg.eigh(np.where(np.isfinite(matrix), matrix, 0.0))
        varies = values > NO_VARIATION
        along = np.einsum("...ij,...i->...j", vectors, difference * scale)
        statistic = (along**2 / np.where(varies, values, np.inf)).sum(axis=-1)
        in_plan = planned.any(axis=-2)
        merged = np.where(planned, counts, 0.0).sum(axis=-2)
        deviation = np.abs(merged / expected - 1).max(axis=-1, where=in_plan & (expected > 0), initial=0.0)
    flags = ((share == 0) & (counts > 0)).any(axis=-2)
    result = _srm(
        statistic,
        varies.sum(axis=-1).astype(np.float64),
        deviation,
        merged,
        expected,
        in_plan & (expected > 0),
        bad.any(axis=-1),
        np.zeros_like(in_plan),
    )
    return result._replace(is_unplanned=flags.any(axis=-1))


def exact_multinomial(
    observed: npt.ArrayLike,
    expected_share: npt.ArrayLike,
    *,
    max_outcomes: int = 50_000,
    draws: int = 99_999,
    seed: int = 0,
) -> ExactMultinomial:
    """Test planned shares exactly, for counts too small for the chi-square.

    The p-value adds up the outcomes that are no more probable than the observed one (the convention of R's
    ``binom.test``). For two arms this is the exact binomial test at any count, all experiments at once. For
    more, all outcomes are listed while there are at most ``max_outcomes`` of them (300 units in three arms, 60 in
    four), and simulated beyond: ``(1 + as improbable) / (1 + draws)``.

    Parameters
    ----------
    observed : array_like, shape (..., arms)
        Assigned units.
    expected_share : array_like, shape (..., arms)
        Planned shares; NaN marks an arm that the experiment does not have. Arms with a share of zero take no part.
    max_outcomes, draws : int
        Where listing ends, and how much is simulated.
    seed : int, default 0
        Seed of the simulation, with the counts: the same counts have the same p-value in whatever company.

    Returns
    -------
    ExactMultinomial
        NaN with fewer than two planned arms, without units, with more than 2**53 of them, or with a negative, missing
        or fractional count.

    Raises
    ------
    ValueError
        If ``max_outcomes`` or ``draws`` is not positive.

    References
    ----------
    Read, T. R. C. & Cressie, N. A. C. (1988). Goodness-of-Fit Statistics for Discrete Multivariate Data. Springer.

    Examples
    --------
    >>> exact_multinomial([[7, 1, 0], [3, 0, 3]], [[50, 50, np.nan], [1, 1, 1]]).p_value.round(6).tolist()
    [0.070312, 0.259259]
    """
    if max_outcomes < 1 or draws < 1:
        raise ValueError(f"max_outcomes and draws must be positive; found {max_outcomes} and {draws}")
    check_axis("arms", observed=observed, expected_share=expected_share)
    counts, share, planned, bad = _plan(observed, expected_share)
    shape, arms = bad.shape, counts.shape[-1]
    counts, share, planned, bad = (a.reshape(-1, *a.shape[len(shape) :]) for a in (counts, share, planned, bad))
    with np.errstate(all="ignore"):
        total = np.where(planned, counts, 0.0).sum(axis=-1)
    number = planned.sum(axis=-1)
    whole = np.where(planned, counts == np.floor(counts), True).all(axis=-1)
    usable = ~bad & (total > 0) & (total <= LARGEST_WHOLE) & (number >= 2) & whole
    p_value, is_exact = np.full(total.shape, np.nan), np.zeros(total.shape, dtype=bool)

    # Planned arms first, so that the cells with equally many of them fit in one array.
    order = np.argsort(~planned, axis=-1, kind="stable")
    counts, share = np.take_along_axis(counts, order, axis=-1), np.take_along_axis(share, order, axis=-1)

    two = np.flatnonzero(usable & (number == 2))
    p_value[two] = _binomial(counts[two, 0], total[two], share[two, 0])
    is_exact[two] = True
    for k in range(3, arms + 1):
        for n in np.unique(total[usable & (number == k)]).astype(int).tolist():
            cells = np.flatnonzero(usable & (number == k) & (total == n))
            if comb(n + k - 1, k - 1) <= max_outcomes:
                p_value[cells] = _listed(counts[cells, :k], share[cells, :k], n)
                is_exact[cells] = True
            else:
                for cell in cells:
                    p_value[cell] = _simulated(counts[cell, :k], share[cell, :k], draws, seed)
    return ExactMultinomial(p_value.reshape(shape), is_exact.reshape(shape))


def sequential_srm(
    observed: npt.ArrayLike, expected_share: npt.ArrayLike, *, concentration: npt.ArrayLike = 10_000.0
) -> SequentialSrm:
    """Test planned shares at every look, as often as wanted.

    The Bayes factor of Lindon and Malek: arm probabilities from a Dirichlet distribution around the plan against the
    plan itself. It depends on the counts so far and not on their order or on when they are looked at. Rows that arrive
    late change the counts of past days and with them the path; each path keeps its error rate, so a rebuild replaces
    the path as a whole.

    Where the planned shares change (a ramp) a new phase begins, with the same prior around the new plan, and the Bayes
    factors of the phases are multiplied.

    Parameters
    ----------
    observed : array_like, shape (..., looks, arms)
        Units assigned since the look before (a day's counts, not running totals). A look that is NaN in all arms adds
        nothing and is NaN.
    expected_share : array_like, shape (..., arms) or (..., looks, arms)
        Planned shares: constant, or (with as many axes as ``observed``) in force at each look. NaN marks an arm that
        the experiment does not have.
    concentration : array_like, default 10000
        How close to the plan a mismatch is expected: the Dirichlet parameters add up to it. Around a planned 50 %,
        10000 (the default of ssrm-test) expects a mismatch of half a percentage point, 100 (savvi) of five; the
        p-values of the two are not comparable.

    Returns
    -------
    SequentialSrm
        NaN with fewer than two planned arms, and from a negative or missing count on.

    Raises
    ------
    ValueError
        If ``concentration`` is not positive, or ``observed`` has no axis of looks.

    References
    ----------
    Lindon, M. & Malek, A. (2022). Anytime-valid inference for multinomial count data. NeurIPS 2022.

    Examples
    --------
    >>> days = [[5100, 4900], [5080, 4920], [5120, 4880], [5090, 4910]]
    >>> sequential_srm(days, [0.5, 0.5]).p_value.round(4).tolist()
    [0.5202, 0.1997, 0.0222, 0.0051]
    """
    size = np.asarray(concentration, dtype=np.float64)
    if not np.all(size > 0):
        raise ValueError("concentration must be positive")
    units, share = np.asarray(observed, dtype=np.float64), np.asarray(expected_share, dtype=np.float64)
    if units.ndim < 2:
        raise ValueError("observed must have an axis of looks: (..., looks, arms)")
    share = share if share.ndim == units.ndim else share[..., None, :]
    units, share = np.broadcast_arrays(units, share)
    absent = (np.isnan(units) | np.isnan(share)).all(axis=-1)
    looks = np.arange(units.shape[-2])

    # A look without data has no plan of its own: it must not begin a phase.
    last = np.maximum.accumulate(np.where(absent, 0, looks), axis=-1)
    share = np.take_along_axis(share, last[..., None], axis=-2)
    counts, share, planned, bad = _plan(np.where(absent[..., None], 0.0, units), share)
    is_unplanned = np.logical_or.accumulate(((share == 0) & (counts > 0)).any(axis=-1), axis=-1)
    counts = np.where(planned, counts, 0.0)

    changed = np.zeros(absent.shape, dtype=bool)
    before, after = np.nan_to_num(share[..., :-1, :], nan=-1.0), np.nan_to_num(share[..., 1:, :], nan=-1.0)
    changed[..., 1:] = (before != after).any(axis=-1)
    phase_start = np.maximum.accumulate(np.where(changed, looks, 0), axis=-1)
    with np.errstate(all="ignore"):
        running = counts.cumsum(axis=-2)
        in_phase = running - np.take_along_axis(running - counts, phase_start[..., None], axis=-2)
        alpha = np.where(planned, share, 0.5) * size[..., None, None]
        evidence = gammaln(alpha + in_phase) - gammaln(alpha) - in_phase * np.log(np.where(planned, share, 1.0))
        units_in_phase = in_phase.sum(axis=-1, where=planned)
        total = size[..., None]
        of_phase = evidence.sum(axis=-1, where=planned) + gammaln(total) - gammaln(total + units_in_phase)
        finished = np.zeros(of_phase.shape)
        finished[..., 1:] = np.where(changed[..., 1:], of_phase[..., :-1], 0.0)
        log_factor = finished.cumsum(axis=-1) + of_phase
        no_plan = planned.sum(axis=-1) < 2
        unusable = np.logical_or.accumulate((bad | no_plan) & ~absent, axis=-1) | absent
        highest = np.fmax.accumulate(np.where(unusable, np.nan, np.maximum(log_factor, 0.0)), axis=-1)
        log_factor = np.where(unusable, np.nan, log_factor)
        p_value = np.where(unusable, np.nan, np.exp(-highest))
    return SequentialSrm(log_factor, p_value, expit(log_factor), is_unplanned)


def _plan(
    observed: npt.ArrayLike, expected_share: npt.ArrayLike
) -> tuple[FloatArray, FloatArray, NDArray[np.bool_], NDArray[np.bool_]]:
    """Give counts, shares that add up to one, which arms are planned, and which cells are unusable."""
    counts, share = np.broadcast_arrays(
        np.asarray(observed, dtype=np.float64), np.asarray(expected_share, dtype=np.float64)
    )
    exists = ~np.isnan(share)
    bad = (exists & ((share < 0) | np.isinf(share))).any(axis=-1)
    with np.errstate(all="ignore"):
        share = share / share.sum(axis=-1, keepdims=True, where=exists & (share > 0))
        planned = exists & (share > 0)
        bad |= (planned & ~((counts >= 0) & np.isfinite(counts))).any(axis=-1)
    return counts, share, planned, bad


def _srm(
    statistic: FloatArray,
    df: FloatArray,
    deviation: FloatArray,
    counts: FloatArray,
    expected: FloatArray,
    planned: NDArray[np.bool_],
    bad: NDArray[np.bool_],
    zero_share: NDArray[np.bool_],
) -> Srm:
    with np.errstate(all="ignore"):
        started = expected.sum(axis=-1, where=planned) > 0
        unusable = bad | ~started | (df < 1)
        return Srm(
            statistic=np.where(unusable, np.nan, statistic),
            df=df,
            p_value=np.where(unusable, np.nan, chdtrc(df, statistic)),
            max_relative_deviation=np.where(unusable, np.nan, deviation),
            is_unplanned=(zero_share & (counts > 0)).any(axis=-1),
            has_empty_arm=(planned & (counts == 0)).any(axis=-1) & started,
        )


def _binomial(x: FloatArray, n: FloatArray, share: FloatArray) -> FloatArray:
    """Two-sided exact binomial p-values; the observed count is turned to the lower tail."""
    upper = x > n * share
    x, q = np.where(upper, n - x, x), np.where(upper, 1 - share, share)

    def log_probability(k: FloatArray) -> FloatArray:
        ways = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
        return ways + xlogy(k, q) + xlog1py(n - k, -q)

    # Beyond the mean probabilities only fall: the first count as improbable as the observed one, by bisection.
    limit = log_probability(x) + np.maximum(TIE, 1e-15 * gammaln(n + 1))
    low, high = np.ceil(n * q) - 1, n + 1
    while np.any(high - low > 1):
        middle = np.floor((low + high) / 2)
        improbable = log_probability(np.minimum(middle, n)) <= limit
        high, low = np.where(improbable, middle, high), np.where(improbable, low, middle)
    with np.errstate(all="ignore"):
        lower_tail = np.where(x >= n, 1.0, betainc(n - x, x + 1, 1 - q))
        upper_tail = np.where(high > n, 0.0, betainc(high, n - high + 1, q))
    return np.where(x == n * q, 1.0, np.minimum(lower_tail + upper_tail, 1.0))


def _listed(counts: FloatArray, share: FloatArray, n: int) -> FloatArray:
    arms = counts.shape[-1]
    # Stars and bars: the bars' positions leave gaps that are the counts of the arms.
    bars = np.array(list(combinations(range(n + arms - 1), arms - 1)))
    edges = np.pad(bars, ((0, 0), (1, 1)), constant_values=((0, 0), (-1, n + arms - 1)))
    outcomes = np.diff(edges, axis=1) - 1
    ways = gammaln(n + 1) - gammaln(outcomes + 1).sum(axis=1)
    result = np.empty(len(counts))
    for i, (own, plan) in enumerate(zip(counts, np.log(share), strict=True)):
        log_probability = ways + outcomes @ plan
        limit = gammaln(n + 1) - gammaln(own + 1).sum() + own @ plan + TIE
        result[i] = np.exp(log_probability[log_probability <= limit]).sum()
    return np.minimum(result, 1.0)


def _simulated(counts: FloatArray, share: FloatArray, draws: int, seed: int) -> float:
    rng = np.random.default_rng([seed, *counts.astype(np.int64).tolist()])
    outcomes = rng.multinomial(int(counts.sum()), share / share.sum(), size=draws)

    def log_probability(k: npt.NDArray) -> FloatArray:
        return k @ np.log(share) - gammaln(k + 1).sum(axis=-1)

    as_improbable = log_probability(outcomes) <= log_probability(counts) + TIE
    return float((1 + as_improbable.sum()) / (1 + draws))
