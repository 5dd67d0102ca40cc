"""Cluster-robust comparison of two arms from cluster totals.

Assignment by market, creator or household makes the cluster the unit of analysis. For two arms the cluster-robust
estimators and their degrees of freedom follow in closed form from a few sums per arm, which
`python_stats.clusters.totals` lists: SQL may compute them, or hand over one row of totals per cluster. Every cluster
belongs to one arm.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from python_stats.arguments import check_kind, takes_summaries
from python_stats.clusters.totals import ClusterMoments
from python_stats.wald import Comparison, wald

KINDS = ("CR0", "CR1", "CR1P", "CR1S", "CR2", "CR3", "CV3")
WORKING_MODELS = ("units", "clusters")

# When randomisation inference should stand beside the t interval: fewer clusters than this in the smaller arm, or sizes
# so unequal that an arm's own degrees of freedom, 1 / trace_squared_cr2, are below this share of its clusters minus
# one. In a simulation (normal cluster effects, correlation 0.1, 40 000 repetitions) the 5 % of CR2's t test came out as
# 4.9-5.2 % with equal sizes from 3 clusters an arm on, 5.3-5.8 % with lognormal(0.5) sizes, 6.5-6.9 % with lognormal(1)
# sizes and 3-10 clusters an arm (6.2 % with 20). With one cluster as large as the rest of its arm it rose with the
# number of clusters, from 5.2 % with 3 to 7.7 % with 20.
RANDOMIZATION_CLUSTERS = 10
RANDOMIZATION_DF_SHARE = 0.5


class ClusterArm(NamedTuple):
    """One arm of a comparison, one element per cell: the scalars that `cluster_difference` needs.

    Build it with `cluster_arm`, or directly from columns that SQL computed.

    Attributes
    ----------
    value : ndarray
        The arm's metric value, covariate-adjusted where asked.
    n, clusters, denominator : ndarray
        Units, clusters, and sum of the metric's denominator (``n`` for a metric per unit).
    cr0, cr2, cr3 : ndarray
        Cluster-robust variances of ``value``.
    trace_squared_cr2, trace_cr3, trace_squared_cr3, level_cr2, level_squared_cr2 : ndarray
        Ingredients of the degrees of freedom.
    """

    value: NDArray[np.float64]
    n: NDArray[np.float64]
    clusters: NDArray[np.float64]
    denominator: NDArray[np.float64]
    cr0: NDArray[np.float64]
    cr2: NDArray[np.float64]
    cr3: NDArray[np.float64]
    trace_squared_cr2: NDArray[np.float64]
    trace_cr3: NDArray[np.float64]
    trace_squared_cr3: NDArray[np.float64]
    level_cr2: NDArray[np.float64]
    level_squared_cr2: NDArray[np.float64]

    def at(self, index: npt.ArrayLike) -> ClusterArm:
        """Return the arm at these cells, to line up each comparison's control and treatment."""
        return ClusterArm(*(np.asarray(column)[np.asarray(index)] for column in self))


def cluster_arm(
    moments: ClusterMoments, theta: npt.ArrayLike | None = None, *, centre: npt.ArrayLike = 0.0
) -> ClusterArm:
    """Take the metric from the value vector, adjusted for covariates with given coefficients.

    The adjusted value is ``value[0] - theta . (value[1:] - centre)``. With the same ``theta`` and ``centre`` in both
    arms this is regression adjustment (CUPED) of the difference; ``theta`` is taken as known. The coefficients that
    make the variance of the difference least are ``solve(S[1:, 1:], S[1:, 0])`` with ``S`` the sum of both arms'
    ``cr0``.

    Parameters
    ----------
    moments : ClusterMoments
        K cells with p values each.
    theta : array_like, shape (p - 1,) or (K, p - 1), optional
        Coefficients of the covariates; no adjustment when absent.
    centre : array_like, shape () or (p - 1,) or (K, p - 1), default 0
        Covariate values at which the adjusted value is read; it cancels in the difference.

    Returns
    -------
    ClusterArm
        Arrays of shape (K,); NaN where the moments or theta are.

    Raises
    ------
    ValueError
        When theta does not have one coefficient per covariate.

    Examples
    --------
    >>> from python_stats.clusters.totals import cluster_moments
    >>> m = cluster_moments([0, 0, 0], [10, 20, 30], [1, 4, 10], covariates=[2, 3, 9])
    >>> arm = cluster_arm(m, theta=[0.5])
    >>> round(float(arm.value[0]), 6), round(float(arm.cr2[0]), 6)
    (0.133333, 0.001854)
    """
    check_kind(ClusterMoments, "cluster_moments", moments=moments)
    extra = moments.value.shape[1] - 1
    if theta is None:
        contrast = np.zeros((moments.value.shape[0], extra + 1))
        shift = np.zeros((moments.value.shape[0],))
    else:
        given = np.asarray(theta, dtype=np.float64)
        if given.shape[-1:] != (extra,):
            raise ValueError(f"theta must have one coefficient per covariate, {extra}; it has shape {given.shape}")
        given = np.broadcast_to(given, (moments.value.shape[0], extra))
        contrast = np.concatenate([np.zeros((given.shape[0], 1)), -given], axis=1)
        with np.errstate(all="ignore"):
            shift = np.sum(contrast[:, 1:] * (moments.value[:, 1:] - np.asarray(centre, dtype=np.float64)), axis=1)
    contrast[:, 0] = 1.0
    used = slice(0, 1) if theta is None else slice(None)
    weights = contrast[:, used]
    with np.errstate(all="ignore"):
        cr0, cr2, cr3 = (
            np.einsum("ki,kij,kj->k", weights, matrix[:, used, used], weights)
            for matrix in (moments.cr0, moments.cr2, moments.cr3)
        )
        value = moments.value[:, 0] + shift
    return ClusterArm(
        value,
        moments.n,
        moments.clusters,
        moments.denominator,
        cr0,
        cr2,
        cr3,
        moments.trace_squared_cr2,
        moments.trace_cr3,
        moments.trace_squared_cr3,
        moments.level_cr2,
        moments.level_squared_cr2,
    )


def bell_mccaffrey_df(
    denominator_control: npt.ArrayLike,
    trace_squared_control: npt.ArrayLike,
    denominator_treatment: npt.ArrayLike,
    trace_squared_treatment: npt.ArrayLike,
    *,
    trace_control: npt.ArrayLike = 1.0,
    trace_treatment: npt.ArrayLike = 1.0,
) -> NDArray[np.float64]:
    """Degrees of freedom of a cluster-robust two-arm difference, by matching two moments (Satterthwaite).

    The convention is Bell and McCaffrey's: a working model of independent units with one variance (clubSandwich's
    ``test="Satterthwaite"``, estimatr, dfadjust with ``IK=FALSE``), not the random-effects working model of Imbens and
    Kolesár (dfadjust's default), whose degrees of freedom are fewer. Under it the variance estimate is a quadratic form
    with trace ``t1 / D`` and squared trace ``t2 / D**2`` in each arm, and the arms are independent, so

    ``df = (t1_c / D_c + t1_t / D_t)**2 / (t2_c / D_c**2 + t2_t / D_t**2)``.

    Parameters
    ----------
    denominator_control, denominator_treatment : array_like
        Units of the arm (sum of the denominator for a ratio).
    trace_squared_control, trace_squared_treatment : array_like
        ``trace_squared_cr2`` (or ``trace_squared_cr3``) of the arm.
    trace_control, trace_treatment : array_like, default 1
        ``trace_cr3`` for CR3; 1 for CR2, which is unbiased under the working model.

    Returns
    -------
    ndarray
        NaN where an ingredient is NaN or a denominator is not positive.

    References
    ----------
    Bell, R. M. and McCaffrey, D. F. (2002). Survey Methodology 28, 169-181. Imbens, G. W. and Kolesár, M. (2016).
    Robust standard errors in small samples: some practical advice. Review of Economics and Statistics 98, 701-712.

    Examples
    --------
    Ten clusters of equal size in each arm have 18 degrees of freedom, the pooled t test's:

    >>> from python_stats.clusters.totals import cluster_moments
    >>> m = cluster_moments([0] * 10, size=[7.0] * 10, numerator=range(10))
    >>> round(float(bell_mccaffrey_df(m.n, m.trace_squared_cr2, m.n, m.trace_squared_cr2)[0]), 9)
    18.0
    """
    base_control = np.asarray(denominator_control, dtype=np.float64)
    base_treatment = np.asarray(denominator_treatment, dtype=np.float64)
    with np.errstate(all="ignore"):
        # Only the arms' relative size matters; dividing it out keeps 1 / D**2 in range.
        ratio = base_control / base_treatment
        first = np.asarray(trace_control, dtype=np.float64) + np.asarray(trace_treatment, dtype=np.float64) * ratio
        second = (
            np.asarray(trace_squared_control, dtype=np.float64)
            + np.asarray(trace_squared_treatment, dtype=np.float64) * ratio**2
        )
        valid = (base_control > 0.0) & (base_treatment > 0.0) & (second > 0.0)
        return np.where(valid, first**2 / second, np.nan)


def cluster_level_df(
    level_control: npt.ArrayLike,
    level_squared_control: npt.ArrayLike,
    level_treatment: npt.ArrayLike,
    level_squared_treatment: npt.ArrayLike,
) -> NDArray[np.float64]:
    """Degrees of freedom of the CR2 difference where clusters vary as wholes, by matching two moments (Satterthwaite).

    The working model is the other end of the random-effects model of Imbens and Kolesár: units of a cluster alike, the
    cluster means with one variance whatever their size (an intracluster correlation of one), where
    `bell_mccaffrey_df` has independent units (a correlation of zero). With equal sizes both are the clusters minus two.
    With unequal ones the few large clusters carry the variance, and these degrees of freedom are fewer: those of Bell
    and McCaffrey are then too many by as much as clusters are alike.

    Parameters
    ----------
    level_control, level_treatment : array_like
        ``level_cr2`` of the arm.
    level_squared_control, level_squared_treatment : array_like
        ``level_squared_cr2`` of the arm.

    Returns
    -------
    ndarray
        NaN where an ingredient is NaN.

    References
    ----------
    Imbens, G. W. and Kolesár, M. (2016). Robust standard errors in small samples: some practical advice. Review of
    Economics and Statistics 98, 701-712.

    Examples
    --------
    >>> from python_stats.clusters.totals import cluster_moments
    >>> m = cluster_moments([0] * 4 + [1] * 4, size=[5, 5, 5, 5, 2, 3, 5, 10], numerator=range(8))
    >>> def df(arm):
    ...     return float(cluster_level_df(*[m.level_cr2[arm], m.level_squared_cr2[arm]] * 2))
    >>> round(df(0), 9), round(df(1), 4)
    (6.0, 3.0567)
    """
    parts = (level_control, level_squared_control, level_treatment, level_squared_treatment)
    first_c, second_c, first_t, second_t = (np.asarray(x, dtype=np.float64) for x in parts)
    with np.errstate(all="ignore"):
        first, second = (first_c + first_t) ** 2, second_c + second_t
        # Where one cluster has nearly all of an arm, the sums in the ingredients cancel to their rounding. The squared
        # trace is never larger than the square of the trace: there is at least one degree of freedom.
        df = np.where(second > 0.0, np.maximum(first / second, 1.0), 1.0)
        return np.where(np.isfinite(first + second), df, np.nan)


def cluster_difference(
    control: ClusterArm,
    treatment: ClusterArm,
    *,
    kind: str = "CR2",
    working_model: str = "units",
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
    null: npt.ArrayLike = 0.0,
) -> Comparison:
    """Compare two arms with a cluster-robust standard error and a t reference.

    With ``G`` clusters and ``N`` units in the two arms together, the names mean:

    * ``CR0``: no correction. ``CR1``: CR0 * G/(G-1) (clubSandwich). ``CR1P``: CR0 * G/(G-2). ``CR1S``: CR0 *
      G/(G-1) * (N-1)/(N-2) (Stata, fixest, statsmodels). All four take t with G - 1 degrees of freedom, never the
      normal.
    * ``CR2``: bias-reduced, with Bell-McCaffrey degrees of freedom; the default.
    * ``CR3``: clubSandwich's, without a factor, with the Satterthwaite degrees of freedom of its own weights. ``CV3``:
      CR3 * (G-1)/G, which is the cluster jackknife around the estimate, with G - 1 degrees of freedom. (pyfixest's CRV3
      multiplies CR3 by the CR1S factor instead.)

    Parameters
    ----------
    control, treatment : ClusterArm
        The arms, cell by cell; they broadcast.
    kind : str, default "CR2"
        One of the names above.
    working_model : {"units", "clusters"}, default "units"
        What the degrees of freedom of CR2 rest on: `bell_mccaffrey_df` or `cluster_level_df`. The first reject
        more than 6 % at a nominal 5 where sizes are very unequal and clusters alike, the second 5 or less. The other
        kinds do not look at it.
    alpha, alternative, null : array_like
        As in `python_stats.wald`.

    Returns
    -------
    Comparison
        Treatment minus control. The standard error is NaN, and so is what follows from it, where an arm has no variance
        estimate (see `cluster_moments`) or both variances are zero; the effect survives. Where only one arm's variance
        is zero the other's carries the comparison.

    Raises
    ------
    ValueError
        For an unknown kind, working model or alternative, or alpha outside (0, 1).

    References
    ----------
    MacKinnon, J. G., Nielsen, M. Ø. and Webb, M. D. (2023). Cluster-robust inference: a guide to empirical practice.
    Journal of Econometrics 232, 272-299.

    Examples
    --------
    >>> from python_stats.clusters.totals import cluster_moments
    >>> m = cluster_moments([0, 0, 0, 1, 1, 1], [10, 20, 30, 10, 20, 30], [1, 4, 10, 4, 7, 13])
    >>> arm = cluster_arm(m)
    >>> got = cluster_difference(arm.at(0), arm.at(1))
    >>> [round(float(x), 6) for x in (got.effect, got.se, got.df, got.p_value)]
    [0.15, 0.074907, 3.333333, 0.129786]
    """
    check_kind(ClusterArm, "cluster_arm(cluster_moments(...))", control=control, treatment=treatment)
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}; found {kind!r}")
    if working_model not in WORKING_MODELS:
        raise ValueError(f"working_model must be one of {', '.join(WORKING_MODELS)}; found {working_model!r}")
    base = {"CR2": "cr2", "CR3": "cr3", "CV3": "cr3"}.get(kind, "cr0")
    with np.errstate(all="ignore"):
        variance = np.asarray(getattr(control, base)) + np.asarray(getattr(treatment, base))
        clusters = np.asarray(control.clusters, dtype=np.float64) + np.asarray(treatment.clusters, dtype=np.float64)
        n = np.asarray(control.n, dtype=np.float64) + np.asarray(treatment.n, dtype=np.float64)
        factor = {
            "CR1": clusters / (clusters - 1.0),
            "CR1P": clusters / (clusters - 2.0),
            "CR1S": clusters / (clusters - 1.0) * (n - 1.0) / (n - 2.0),
            "CV3": (clusters - 1.0) / clusters,
        }.get(kind, np.ones_like(clusters))
        se = np.sqrt(np.where(variance > 0.0, variance * factor, np.nan))
        effect = np.asarray(treatment.value) - np.asarray(control.value)
    if kind == "CR2" and working_model == "clusters":
        df = cluster_level_df(
            control.level_cr2, control.level_squared_cr2, treatment.level_cr2, treatment.level_squared_cr2
        )
    elif kind == "CR2":
        df = bell_mccaffrey_df(
            control.denominator, control.trace_squared_cr2, treatment.denominator, treatment.trace_squared_cr2
        )
    elif kind == "CR3":
        df = bell_mccaffrey_df(
            control.denominator,
            control.trace_squared_cr3,
            treatment.denominator,
            treatment.trace_squared_cr3,
            trace_control=control.trace_cr3,
            trace_treatment=treatment.trace_cr3,
        )
    else:
        df = clusters - 1.0
    return wald(effect, se, df, alpha=alpha, alternative=alternative, null=null)


def randomization_advised(control: ClusterArm, treatment: ClusterArm) -> NDArray[np.bool_]:
    """Say where the t reference of `cluster_difference` should not stand alone.

    Parameters
    ----------
    control, treatment : ClusterArm
        The arms, cell by cell; they broadcast.

    Returns
    -------
    ndarray of bool
        True with fewer than `RANDOMIZATION_CLUSTERS` clusters in an arm; where an arm's own degrees of freedom,
        ``1 / trace_squared_cr2``, are below `RANDOMIZATION_DF_SHARE` of its clusters minus one (equal sizes have
        exactly its clusters minus one); and where they cannot be computed.

    Examples
    --------
    >>> from python_stats.clusters.totals import cluster_moments
    >>> arm = cluster_arm(cluster_moments([0] * 12 + [1] * 12, [9] * 12 + [9] * 11 + [99], range(24)))
    >>> bool(randomization_advised(arm.at(0), arm.at(0))), bool(randomization_advised(arm.at(0), arm.at(1)))
    (False, True)
    """
    check_kind(ClusterArm, "cluster_arm(cluster_moments(...))", control=control, treatment=treatment)
    trusted = []
    for arm in (control, treatment):
        clusters = np.asarray(arm.clusters, dtype=np.float64)
        with np.errstate(all="ignore"):
            own_df = 1.0 / np.asarray(arm.trace_squared_cr2, dtype=np.float64)
        trusted.append((clusters >= RANDOMIZATION_CLUSTERS) & (own_df >= RANDOMIZATION_DF_SHARE * (clusters - 1.0)))
    return ~(trusted[0] & trusted[1])


@takes_summaries("the mean, variance and number of the clusters' means", "cluster_mean_moments makes them")
def cluster_mean_t(
    mean_control: npt.ArrayLike,
    var_control: npt.ArrayLike,
    clusters_control: npt.ArrayLike,
    mean_treatment: npt.ArrayLike,
    var_treatment: npt.ArrayLike,
    clusters_treatment: npt.ArrayLike,
    *,
    equal_var: bool = True,
    alpha: npt.ArrayLike = 0.05,
    alternative: npt.ArrayLike = "two_sided",
    null: npt.ArrayLike = 0.0,
) -> Comparison:
    """Compare two arms by a t test on cluster means, the analysis of cluster summaries.

    Its estimand is the effect on the average cluster, every cluster counting once. That is not the effect on the
    average unit, which `cluster_difference` estimates, when clusters of different size have different outcomes.

    Parameters
    ----------
    mean_control, var_control, clusters_control : array_like
        Mean and variance (n - 1) of the control's cluster means, and how many there are.
    mean_treatment, var_treatment, clusters_treatment : array_like
        The same for the treatment.
    equal_var : bool, default True
        True pools the variances and has ``G - 2`` degrees of freedom (the t test of cluster-randomised trials); False
        is Welch's.
    alpha, alternative, null : array_like
        As in `python_stats.wald`.

    Returns
    -------
    Comparison
        NaN from the standard error on where an arm has fewer than two clusters, or neither arm's means vary.

    Raises
    ------
    ValueError
        For an unknown alternative, or alpha outside (0, 1).

    References
    ----------
    Hayes, R. J. and Moulton, L. H. (2017). Cluster Randomised Trials, 2nd ed., chapter 10.

    Examples
    --------
    >>> got = cluster_mean_t(0.2374, 0.00921, 5, 0.3309, 0.03155, 5)
    >>> round(float(got.statistic), 4), float(got.df)
    (1.0356, 8.0)
    """
    v0, v1, g0, g1 = (
        np.asarray(x, dtype=np.float64) for x in (var_control, var_treatment, clusters_control, clusters_treatment)
    )
    with np.errstate(all="ignore"):
        effect = np.asarray(mean_treatment, dtype=np.float64) - np.asarray(mean_control, dtype=np.float64)
        if equal_var:
            df = g0 + g1 - 2.0
            variance = ((g0 - 1.0) * v0 + (g1 - 1.0) * v1) / df * (1.0 / g0 + 1.0 / g1)
        else:
            variance = v0 / g0 + v1 / g1
            df = variance**2 / ((v0 / g0) ** 2 / (g0 - 1.0) + (v1 / g1) ** 2 / (g1 - 1.0))
        valid = (g0 >= 2.0) & (g1 >= 2.0) & (variance > 0.0)
        se = np.sqrt(np.where(valid, variance, np.nan))
    return wald(effect, se, np.where(valid, df, np.nan), alpha=alpha, alternative=alternative, null=null)
