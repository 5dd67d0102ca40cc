"""Assigned clusters, from six to fifty in both arms together, of equal and of very unequal size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from python_stats.analysis.estimators.cluster_estimates import cluster_estimates
from python_stats.analysis.table.arms import VARIABLES
from python_stats.analysis.table.estimate_rows import frame_of
from python_stats.clusters.robust_variance import cluster_arm, cluster_difference, cluster_mean_t
from python_stats.clusters.totals import cluster_mean_moments, cluster_moments
from python_stats.means.welch import welch_t
from python_stats.moments import Moments
from python_stats.simulation.reductions import ClusterRows, cluster_arms
from python_stats.simulation.shipped import by_estimator, comparison_frame, shipped
from python_stats.simulation.study import Simulate, Study
from python_stats.simulation.trials import Trials, compared

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
# Values of units from the index of their cluster, the arms of the clusters and the effect, shape (units, k).
Units = Callable[[np.random.Generator, IntArray, NDArray[np.bool_], float], FloatArray]

GROUP = "Clusters"
RESAMPLED = "Clusters: CR3, randomization inference, wild bootstrap"


def equal_sizes(clusters: int) -> IntArray:
    """Return clusters of 20 units each."""
    return np.full(clusters, 20)


def unequal_sizes(clusters: int) -> IntArray:
    """Return sizes at the quantiles of a lognormal(1) distribution around 20: the largest a multiple of the median."""
    return np.maximum(np.rint(20 * np.exp(ndtri((np.arange(clusters) + 0.5) / clusters))).astype(np.int64), 2)


def households(clusters: int) -> IntArray:
    """Return households of one and of two units in turn."""
    return 1 + np.arange(clusters) % 2


def one_giant(clusters: int) -> IntArray:
    """Return one cluster as large as half of all the others together."""
    return np.array([10 * (clusters - 1), *[20] * (clusters - 1)])


def values(icc: float, shift: float) -> Units:
    """Draw normal units of standard deviation 1 with a pre-period value; clusters share a part of both."""

    def draw(rng: np.random.Generator, owner: IntArray, treated: NDArray[np.bool_], truth: float) -> FloatArray:
        clusters = int(owner.max()) + 1
        own = rng.normal(0, np.sqrt(icc), (clusters, 2))
        # The past of a cluster goes with its present at a correlation of 0.8, that of a unit at 0.5.
        own[:, 1] = 0.8 * own[:, 0] + 0.6 * own[:, 1]
        unit = rng.normal(0, np.sqrt(1 - icc), (owner.size, 2))
        unit[:, 1] = 0.5 * unit[:, 0] + np.sqrt(0.75) * unit[:, 1]
        result = shift + own[owner] + unit
        result[:, 0] += truth * treated[owner]
        return result

    return draw


def rates(p: float, icc: float) -> Units:
    """Draw units of 0 or 1; the clusters' rates are beta distributed around p."""

    def draw(rng: np.random.Generator, owner: IntArray, treated: NDArray[np.bool_], truth: float) -> FloatArray:
        clusters, size = int(owner.max()) + 1, (1 - icc) / icc
        mean = p + truth * treated
        own = rng.beta(mean * size, (1 - mean) * size, clusters)
        return (rng.random(owner.size) < own[owner]).astype(np.float64)[:, None]

    return draw


def ratios(icc: float) -> Units:
    """Draw purchases and sessions; clusters differ in both."""

    def draw(rng: np.random.Generator, owner: IntArray, treated: NDArray[np.bool_], truth: float) -> FloatArray:
        clusters = int(owner.max()) + 1
        activity, taste = (rng.gamma(1 / icc, icc, clusters)[owner] for _ in range(2))
        count = rng.poisson(5 * activity)
        return np.stack([rng.poisson(count * taste * (0.3 + truth * treated[owner])), count], axis=1).astype(np.float64)

    return draw


REVENUE = 0.2 * np.exp(0.5)


def revenue(rng: np.random.Generator, owner: IntArray, treated: NDArray[np.bool_], truth: float) -> FloatArray:
    """Draw what units spend: 20 % something, lognormal(1) of it, times their household's taste and the effect."""
    means = rng.gamma(2.0, 0.5, int(owner.max()) + 1)
    spent = np.where(rng.random(owner.size) < 0.2, rng.lognormal(0, 1, owner.size), 0.0)
    return (spent * means[owner] * (1 + truth / REVENUE * treated[owner]))[:, None]


def _drawn(
    rng: np.random.Generator, replications: int, sizes: IntArray, units: Units, truth: float, share: float = 0.5
) -> tuple[IntArray, NDArray[np.bool_], FloatArray]:
    """Draw sizes and arms of the clusters, shape (replications, clusters), a share of them treated; and the units."""
    clusters = sizes.size
    size = np.broadcast_to(sizes, (replications, clusters))
    treated = rng.random((replications, clusters)).argsort(axis=1) < int(clusters * share)
    owner = np.repeat(np.arange(size.size), size.ravel())
    return size, treated, units(rng, owner, treated.ravel(), truth)


def by_cluster(
    sizes: IntArray,
    units: Units,
    *,
    effect: float,
    mean: float,
    metric_type: str = "mean",
    alternative: str = "two_sided",
    share: float = 0.5,
) -> Simulate:
    """Compare a share of the clusters with the others, by what the package ships and by the library's other kinds."""

    def simulate(rng: np.random.Generator, replications: int, with_effect: bool) -> dict[str, Trials]:
        truth = effect if with_effect else 0.0
        size, treated, drawn = _drawn(rng, replications, sizes, units, truth, share)
        ratio = metric_type == "ratio"
        arms, parts, rows = cluster_arms(size, treated, drawn, is_ratio=ratio)
        names = ("numerator", "denominator") if ratio else ("numerator", "covariate")[: drawn.shape[1]]
        frame = comparison_frame(*arms, names, metric_type=metric_type, clusters=parts, alternative=alternative)
        result = shipped(frame, truth, truth / mean, with_headline=True)
        if alternative != "two_sided" or share != 0.5:
            return result
        if not ratio:
            columns = [column for arm in arms for column in (arm.mean[:, 0], arm.var[:, 0], arm.n)]
            result[IGNORED] = compared(welch_t(*columns), truth)
        result.update(_other_kinds(rows, ratio, replications, truth))
        return result

    return simulate


def _other_kinds(rows: ClusterRows, ratio: bool, replications: int, truth: float) -> dict[str, Trials]:
    cell = 2 * rows.replication + rows.treated
    base = rows.totals[:, 1] if ratio else None
    moments = cluster_moments(cell, rows.size, rows.totals[:, 0], base, cells=2 * replications)
    arm = cluster_arm(moments)
    control, treatment = (arm.at(np.arange(i, 2 * replications, 2)) for i in (0, 1))
    kinds = ("CR2", "CR3", "CR1") if ratio else ("CR3", "CR1")
    result = {f"cluster_difference {kind}": compared(cluster_difference(control, treatment, kind=kind), truth)
              for kind in kinds}  # fmt: skip
    if not ratio:
        means = cluster_mean_moments(cell, rows.size, rows.totals[:, 0], cells=2 * replications)
        columns = [getattr(means, name)[i::2] for i in (0, 1) for name in ("mean", "var", "clusters")]
        result["cluster_mean_t"] = compared(cluster_mean_t(*columns), truth)
    return result


def by_resampling(sizes: IntArray, units: Units, *, effect: float, metric_type: str = "mean") -> Simulate:
    """Compare the same designs by the estimators that few clusters need."""

    def simulate(rng: np.random.Generator, replications: int, with_effect: bool) -> dict[str, Trials]:
        truth = effect if with_effect else 0.0
        size, treated, drawn = _drawn(rng, replications, sizes, units, truth)
        arms, parts, rows = cluster_arms(size, treated, drawn, is_ratio=metric_type == "ratio")
        names = ("numerator", "denominator" if metric_type == "ratio" else "covariate")[: drawn.shape[1]]
        frame = comparison_frame(*arms, names, metric_type=metric_type, clusters=parts)
        return by_estimator(frame_of(cluster_estimates(frame, _totals(arms, rows, names))), frame, truth)

    return simulate


def _totals(arms: tuple[Moments, Moments], rows: ClusterRows, names: tuple[str, ...]) -> pd.DataFrame:
    """Lay out cluster totals as the model ``cluster_arm_total``: sums of deviations from the arm's mean."""
    mean = np.where(rows.treated[:, None], arms[1].mean[rows.replication], arms[0].mean[rows.replication])
    deviations = rows.totals - rows.size[:, None] * mean
    totals = {f"total_{name}": deviations[:, names.index(name)] if name in names else np.nan for name in VARIABLES}
    return pd.DataFrame(
        {
            "plan_key": rows.replication.astype(str),
            "variant_id": np.where(rows.treated, "treatment", "control"),
            "cluster_id": np.arange(rows.size.size),
            "n": rows.size,
            **totals,
        }
    )


IGNORED = "welch_t of units (clusters ignored)"
CR1 = "cluster_difference CR1"
EFFECTS = {6: 1.2, 10: 0.8, 20: 0.5, 50: 0.3}

FEW = (
    "with three to five clusters an arm the slope of the covariate, taken as known, and the logarithm of the lift, "
    "taken as normal, are estimated from as little as the variance"
)
SHAPES = (("equal", equal_sizes), ("unequal", unequal_sizes))


def _study(
    scenario: str,
    effect: str,
    simulate: Simulate,
    *,
    group: str = GROUP,
    replications: int = 10_000,
    note: str = "",
    contrast: tuple[str, ...] = (),
) -> Study:
    notes = {"*": note} if note else {}
    return Study(group, scenario, effect, simulate, replications, 500, notes, contrast=(IGNORED, CR1, *contrast))


STUDIES = [
    *(
        _study(f"mean, {clusters} clusters, {name} sizes", f"{EFFECTS[clusters]} sd",
               by_cluster(sizes(clusters), values(0.1, 10), effect=EFFECTS[clusters], mean=10), note=FEW)
        for clusters in (6, 10, 20, 50)
        for name, sizes in SHAPES
    ),
    _study("mean, 20 clusters, one as large as half of the others", "0.6 sd",
           by_cluster(one_giant(20), values(0.1, 10), effect=0.6, mean=10)),
    *(
        _study(f"revenue, {clusters:,} households of one or two, a tenth of them treated", f"+{lift:.0%}",
               by_cluster(households(clusters), revenue, effect=lift * REVENUE, mean=REVENUE, share=0.1),
               replications=4_000)
        for clusters, lift in ((1_000, 0.8), (3_000, 0.5))
    ),
    _study("mean, 20 clusters, equal sizes, one-sided", "0.4 sd",
           by_cluster(equal_sizes(20), values(0.1, 10), effect=0.4, mean=10, alternative="greater")),
    *(
        _study(f"rate of {p}, {clusters} clusters, {name} sizes", f"+{effect}",
               by_cluster(sizes(clusters), rates(p, 0.05), effect=effect, mean=p, metric_type="proportion"),
               # One or two events in a cluster are too few for the test of cluster means; the marts refuse.
               contrast=("cluster_mean_t",) if p < 0.1 else ())
        for p, clusters, effect in ((0.2, 10, 0.25), (0.2, 50, 0.09), (0.02, 20, 0.06))
        for name, sizes in SHAPES
    ),
    *(
        _study(f"ratio, {clusters} clusters, {name} sizes", f"+{effect}",
               by_cluster(sizes(clusters), ratios(0.1), effect=effect, mean=0.3, metric_type="ratio"),
               contrast=("cluster_difference CR2",))
        for clusters, effect in ((10, 0.2), (50, 0.08))
        for name, sizes in SHAPES
    ),
    *(
        _study(f"mean with CUPED, {clusters} clusters, {name} sizes", f"{EFFECTS[clusters]} sd",
               by_resampling(sizes(clusters), values(0.1, 10), effect=EFFECTS[clusters]),
               group=RESAMPLED, replications=2_000)
        for clusters in (6, 10, 20, 50)
        for name, sizes in SHAPES
    ),
    *(
        _study(f"ratio, {clusters} clusters, unequal sizes", f"+{effect}",
               by_resampling(unequal_sizes(clusters), ratios(0.1), effect=effect, metric_type="ratio"),
               group=RESAMPLED, replications=2_000)
        for clusters, effect in ((10, 0.2), (20, 0.13))
    ),
]  # fmt: skip
