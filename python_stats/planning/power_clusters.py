"""Planning an experiment whose clusters (markets, creators, households) are assigned, not its units."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from python_stats.arguments import check_kind
from python_stats.clusters.intracluster import design_effect
from python_stats.planning.power_means import SampleSize


class ClusterSampleSize(NamedTuple):
    """Units and clusters per arm, fractional, one element per cell.

    Attributes
    ----------
    design_effect : ndarray
        Factor by which clustering raises the number of units.
    n_control, n_treatment : ndarray
        Units in each arm.
    clusters_control, clusters_treatment : ndarray
        Clusters in each arm, of the mean size.
    """

    design_effect: NDArray[np.float64]
    n_control: NDArray[np.float64]
    n_treatment: NDArray[np.float64]
    clusters_control: NDArray[np.float64]
    clusters_treatment: NDArray[np.float64]

    def rounded_up(self) -> ClusterSampleSize:
        """Return whole units and whole clusters, each arm rounded up.

        Examples
        --------
        >>> plan = sample_size_clusters(SampleSize(np.array(251.164), np.array(251.164)), 50, 0.05)
        >>> float(plan.rounded_up().clusters_control)
        18.0
        """
        units = SampleSize(self.n_control, self.n_treatment).rounded_up()
        clusters = SampleSize(self.clusters_control, self.clusters_treatment).rounded_up()
        return ClusterSampleSize(self.design_effect, *units, *clusters)


def sample_size_clusters(
    sample: SampleSize, mean_size: npt.ArrayLike, icc: npt.ArrayLike, *, cv: npt.ArrayLike = 0.0
) -> ClusterSampleSize:
    """Inflate a sample size for independent units by the design effect of their clusters.

    With few clusters the normal reference of the inflated size is too optimistic: plan with clusters as the units of a
    t test instead (see `cluster_variance`).

    Parameters
    ----------
    sample : SampleSize
        Units per arm if they were independent, from `python_stats.sample_size_means` or
        `python_stats.sample_size_proportions`.
    mean_size : array_like
        Mean number of units in a cluster.
    icc : array_like
        Intracluster correlation.
    cv : array_like, default 0
        Standard deviation of the cluster sizes over their mean.

    Returns
    -------
    ClusterSampleSize
        NaN where the sample size or the design effect is.

    References
    ----------
    Donner, A. and Klar, N. (2000). Design and Analysis of Cluster Randomization Trials in Health Research, chapter 5.
    Eldridge, S. M., Ashby, D. and Kerry, S. (2006). Sample size for cluster randomized trials: effect of coefficient of
    variation of cluster size and analysis method. International Journal of Epidemiology 35, 1292-1300.

    Examples
    --------
    >>> from python_stats.planning.power_means import sample_size_means
    >>> plan = sample_size_clusters(sample_size_means(0.25, var_control=1), 50, 0.05)
    >>> round(float(plan.n_control), 4), round(float(plan.clusters_control), 4)
    (866.5163, 17.3303)
    """
    check_kind(SampleSize, "sample_size_means or sample_size_proportions", sample=sample)
    factor = design_effect(mean_size, icc, cv=cv)
    size = np.asarray(mean_size, dtype=np.float64)
    with np.errstate(all="ignore"):
        control, treatment = sample.n_control * factor, sample.n_treatment * factor
        factor, control, treatment, size = np.broadcast_arrays(factor, control, treatment, size)
        return ClusterSampleSize(factor.copy(), control.copy(), treatment.copy(), control / size, treatment / size)


def cluster_variance(
    variance: npt.ArrayLike, mean_size: npt.ArrayLike, icc: npt.ArrayLike, *, cv: npt.ArrayLike = 0.0
) -> NDArray[np.float64]:
    """Variance one cluster contributes to a mean, for planning with clusters as the units.

    Pass it as ``var_control`` to `python_stats.power_means`, `mde_means` and `sample_size_means`: their sizes are
    then numbers of clusters, and ``distribution="t"`` counts the degrees of freedom in clusters.

    Parameters
    ----------
    variance : array_like
        Variance per unit.
    mean_size : array_like
        Mean number of units in a cluster.
    icc : array_like
        Intracluster correlation.
    cv : array_like, default 0
        Standard deviation of the cluster sizes over their mean.

    Returns
    -------
    ndarray
        ``variance * design_effect / mean_size``; NaN where the design effect is.

    References
    ----------
    Donner, A. and Klar, N. (2000). Design and Analysis of Cluster Randomization Trials in Health Research, chapter 5.

    Examples
    --------
    >>> from python_stats.planning.power_means import sample_size_means
    >>> variance = cluster_variance(1, 50, 0.05)
    >>> round(float(sample_size_means(0.25, var_control=variance).n_control), 4)
    17.3303
    >>> round(float(sample_size_means(0.25, var_control=variance, distribution="t").n_control), 4)
    18.3421
    """
    size = np.asarray(mean_size, dtype=np.float64)
    with np.errstate(all="ignore"):
        return np.asarray(variance, dtype=np.float64) * design_effect(size, icc, cv=cv) / size
