"""Every estimator, once: what it needs, when it applies, what it is.

The tables that a model reads, the estimators that run, the headline, the words that a plan may use and the tables of
the documentation follow from here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import pandas as pd

from python_stats.analysis.estimators.benchmark_estimates import benchmark_estimates
from python_stats.analysis.estimators.bucket_estimates import bucket_estimates
from python_stats.analysis.estimators.cluster_estimates import cluster_estimates
from python_stats.analysis.estimators.compliance_estimates import compliance_estimates
from python_stats.analysis.estimators.difference_estimates import difference_estimates
from python_stats.analysis.estimators.moment_estimates import moment_estimates
from python_stats.analysis.estimators.quantile_estimates import quantile_estimates
from python_stats.analysis.estimators.rank_estimates import rank_estimates
from python_stats.analysis.estimators.rate_estimates import rate_estimates
from python_stats.analysis.estimators.regression_estimates import regression_estimates
from python_stats.analysis.estimators.robust_estimates import geometric_estimates, trimmed_estimates
from python_stats.analysis.estimators.stratified_estimates import stratified_estimates
from python_stats.analysis.settings import Settings
from python_stats.analysis.table.comparisons import Comparisons
from python_stats.analysis.table.estimate_rows import EstimateRows
from python_stats.analysis.table.metric_types import is_quantile
from python_stats.analysis.table.plan_words import PRE_PERIOD, RAW_COMPARISON
from python_stats.analysis.table.statuses import status_before


class Estimator(NamedTuple):
    """What the package knows of an estimator.

    Attributes
    ----------
    name : str
        The name under which the marts show it.
    function : callable
        Takes comparisons, the tables of ``evidence`` and the settings; returns rows of this estimator, and of others
        that it finds on the same way.
    when : str
        ``always``; ``planned``: where the plan asks for it; ``found``: where the evidence has rows; ``metric``: for
        metrics of this type, for which nothing else is estimated; ``benchmark``: where the plan has one.
    kind : str
        ``raw``: the comparison as it is; ``adjusted`` by what was known before; ``corrected``: in place of a raw or
        adjusted one whose theory does not hold; ``other``: another test or another question.
    evidence : tuple of str
        Tables beside the comparisons that it is made of, by the names of their models.
    scale : str
        ``metric``: the effect is in the metric's unit; ``probability``: of a treatment's unit being the larger one.
    has_lift_interval : bool
        Whether its lift has an interval; mde and margin of a relative plan are judged by it.
    has_interval : bool
        Whether its effect has one.
    is_monitored : bool
        Whether it is followed from look to look.
    takes_difference_as_normal : bool
        Refines a difference without a correction of its own: refused where that difference is too skewed.
    compares : str
        What it estimates, in words, for the documentation.
    suits : str
        When to plan it, in words; empty where it needs no plan.
    """

    name: str
    function: Callable[..., list[EstimateRows]]
    when: str = "always"
    kind: str = "other"
    evidence: tuple[str, ...] = ()
    scale: str = "metric"
    has_lift_interval: bool = True
    has_interval: bool = True
    is_monitored: bool = False
    takes_difference_as_normal: bool = False
    compares: str = ""
    suits: str = ""


_QUANTILE_TABLES = ("order_statistic", "share_below")
_BUCKETS = ("unit_bucket",)
_TOTALS = ("few_cluster_total",)

REGISTER = (
    Estimator(
        "difference",
        moment_estimates,
        kind="raw",
        is_monitored=True,
        compares="pooled two-proportion z of rates, Welch's t of means",
    ),
    Estimator("ratio", moment_estimates, kind="raw", is_monitored=True, compares="ratios of sums by the delta method"),
    Estimator(
        "cluster", moment_estimates, kind="raw", is_monitored=True, compares="clustered arms by CR2 and Bell-McCaffrey"
    ),
    Estimator(
        "cuped",
        moment_estimates,
        kind="adjusted",
        is_monitored=True,
        compares="means and rates adjusted by their pre-period",
    ),
    Estimator(
        "ratio_cuped",
        moment_estimates,
        kind="adjusted",
        is_monitored=True,
        compares="ratios adjusted by their pre-period",
    ),
    Estimator(
        "cluster_cuped",
        moment_estimates,
        kind="adjusted",
        is_monitored=True,
        compares="clustered arms adjusted by their pre-period",
    ),
    Estimator(
        "difference_corrected",
        moment_estimates,
        kind="corrected",
        is_monitored=True,
        compares="`difference` of skewed arms",
    ),
    Estimator(
        "ratio_corrected",
        moment_estimates,
        kind="corrected",
        is_monitored=True,
        compares="`ratio` of few or skewed units",
    ),
    Estimator(
        "cluster_corrected",
        moment_estimates,
        kind="corrected",
        is_monitored=True,
        compares="`cluster` of unequal or skewed clusters",
    ),
    Estimator(
        "cuped_corrected", moment_estimates, kind="corrected", is_monitored=True, compares="`cuped` of skewed arms"
    ),
    Estimator(
        "ratio_cuped_corrected",
        moment_estimates,
        kind="corrected",
        is_monitored=True,
        compares="`ratio_cuped` of few units",
    ),
    Estimator(
        "cluster_cuped_corrected",
        moment_estimates,
        kind="corrected",
        is_monitored=True,
        compares="`cluster_cuped` of unequal or skewed clusters",
    ),
    Estimator(
        "regression",
        regression_estimates,
        "planned",
        "adjusted",
        ("covariate_moment",),
        takes_difference_as_normal=True,
        compares="means, rates, ratios of independent units, by Lin's interacted regression",
        suits="several covariates explain more than one",
    ),
    Estimator(
        "poststratified",
        stratified_estimates,
        "found",
        "adjusted",
        ("stratum_moment",),
        takes_difference_as_normal=True,
        compares="the same within strata",
        suits="units were assigned by strata (then it is always computed)",
    ),
    Estimator(
        "difference_in_differences",
        difference_estimates,
        "planned",
        "adjusted",
        takes_difference_as_normal=True,
        compares="changes since the pre-period",
        suits="the assignment was not random",
    ),
    Estimator(
        "exact",
        rate_estimates,
        is_monitored=True,
        compares="rates by Fisher's test, with score intervals",
        suits="exact whatever the counts; always computed where few events are expected",
    ),
    Estimator(
        "quantile",
        quantile_estimates,
        "metric",
        "raw",
        _QUANTILE_TABLES,
        compares="quantiles by index bootstrap, of single facts or clusters by spacing",
    ),
    Estimator(
        "trimmed",
        trimmed_estimates,
        "planned",
        evidence=("trimmed_moment",),
        compares="trimmed means by Yuen's test",
        suits="heavy tails",
    ),
    Estimator(
        "geometric",
        geometric_estimates,
        "planned",
        evidence=("log_moment",),
        compares="geometric means",
        suits="multiplicative effects of positive values",
    ),
    Estimator(
        "mann_whitney",
        rank_estimates,
        "planned",
        evidence=("rank_sum",),
        scale="probability",
        has_lift_interval=False,
        compares="ranks",
        suits="order matters, not size",
    ),
    Estimator(
        "bootstrap",
        bucket_estimates,
        "planned",
        evidence=_BUCKETS,
        compares="means and ratios by bootstrap of hash buckets",
        suits="no normal reference is wanted",
    ),
    Estimator(
        "permutation",
        bucket_estimates,
        "planned",
        evidence=_BUCKETS,
        has_lift_interval=False,
        has_interval=False,
        compares="means and ratios by permutation of hash buckets",
        suits="no normal reference holds (check `normal_approximation`)",
    ),
    Estimator(
        "cr3",
        cluster_estimates,
        "found",
        evidence=_TOTALS,
        takes_difference_as_normal=True,
        compares="clusters by CR3",
        suits="few or very unequal clusters; always computed below `few_clusters_resampled`",
    ),
    Estimator(
        "randomization",
        cluster_estimates,
        "found",
        evidence=_TOTALS,
        has_lift_interval=False,
        compares="clusters by re-assignment",
        suits="the same; exact",
    ),
    Estimator(
        "wild_bootstrap",
        cluster_estimates,
        "found",
        evidence=_TOTALS,
        has_lift_interval=False,
        takes_difference_as_normal=True,
        compares="clusters by the wild bootstrap",
        suits="the same",
    ),
    Estimator(
        "cace",
        compliance_estimates,
        "found",
        evidence=("exposure_moment",),
        has_lift_interval=False,
        takes_difference_as_normal=True,
        compares="the effect on those whom the assignment exposed",
        suits="exposures are known (then it is always computed)",
    ),
    Estimator(
        "benchmark",
        benchmark_estimates,
        "benchmark",
        has_lift_interval=False,
        compares="the treatment alone against the plan's `benchmark`",
    ),
)

BY_NAME = {estimator.name: estimator for estimator in REGISTER}

# CUPED falls back to the raw comparison where there is no usable pre-period, or where it has a status: the estimate is
# the same in expectation, and the row names what was used. A corrected estimate exists only where it is needed, and
# then it goes before the one that it corrects.
_CORRECTED_FIRST = ("cluster", "ratio", "difference")
_ADJUSTED = tuple(
    f"{name}{ending}" for name in ("cluster_cuped", "ratio_cuped", "cuped") for ending in ("_corrected", "")
)
_RAW = (*(f"{name}{ending}" for name in _CORRECTED_FIRST for ending in ("_corrected", "")), "quantile")

# Without a wish in the plan, the first of these that a comparison has: the methods that exist because the others do not
# hold (quantiles, rates with few events), then the pre-period, then the raw comparison.
PREFERRED = ("quantile", "exact", *_ADJUSTED, *_RAW)


def wanted(word: str) -> tuple[str, ...]:
    """Return the estimators that a plan's word stands for, the first choice first."""
    if word in RAW_COMPARISON:
        return _RAW
    return (*_ADJUSTED, *_RAW) if word == PRE_PERIOD else (word,)


# What a plan may ask for.
PLAN_WORDS = (
    *RAW_COMPARISON,
    PRE_PERIOD,
    *(
        estimator.name
        for estimator in REGISTER
        if estimator.name not in (*RAW_COMPARISON, *_ADJUSTED, *_RAW[:-1]) and estimator.when != "benchmark"
    ),
)

# Words of plans whose estimate is followed from look to look.
MONITORED_WORDS = tuple(
    word for word in PLAN_WORDS if word in RAW_COMPARISON or any(BY_NAME[name].is_monitored for name in wanted(word))
)


def tables_asked_for(estimators: Iterable[str], metric_types: Iterable[str]) -> set[str]:
    """Return the tables beside the comparisons that some plans and metrics need.

    Parameters
    ----------
    estimators : iterable of str
        The plans' words.
    metric_types : iterable of str
        The types of the planned metrics.
    """
    asked = {*estimators, *metric_types}
    return {
        table
        for estimator in REGISTER
        for table in estimator.evidence
        if estimator.when == "found" or estimator.name in asked
    }


def from_moments(comparisons: Comparisons, settings: Settings) -> list[EstimateRows]:
    """Estimate comparisons by everything that needs nothing beside them: what looks have, too.

    Parameters
    ----------
    comparisons : Comparisons
        All comparisons, also those that cannot be made.
    settings : Settings
        Thresholds and choices.
    """
    return [*moment_estimates(comparisons, settings), *rate_estimates(estimable(comparisons, settings), settings)]


def from_evidence(
    comparisons: Comparisons, evidence: Mapping[str, pd.DataFrame], settings: Settings
) -> list[EstimateRows]:
    """Estimate comparisons by everything else.

    Parameters
    ----------
    comparisons : Comparisons
        All comparisons, also those that cannot be made.
    evidence : mapping of str to DataFrame
        The tables beside the comparisons, by the names of their models; those left out are empty.
    settings : Settings
        Thresholds and choices.
    """
    possible = estimable(comparisons, settings)
    others = {each.function: each for each in REGISTER if each.function not in (moment_estimates, rate_estimates)}
    parts: list[EstimateRows] = []
    for function, each in others.items():
        tables = (evidence.get(name, pd.DataFrame()) for name in each.evidence)
        # Where nothing else is estimated, the comparisons that cannot be made have their row here.
        parts += function(comparisons if each.when == "metric" else possible, *tables, settings)
    return [part for part in parts if len(part)]


def estimable(comparisons: Comparisons, settings: Settings) -> Comparisons:
    """Return the comparisons that can be made at all, by other means than quantiles."""

    def found() -> Comparisons:
        return comparisons.take((status_before(comparisons, settings.min_units) == "") & ~is_quantile(comparisons))

    return comparisons.once(("estimable", settings.min_units), found)
