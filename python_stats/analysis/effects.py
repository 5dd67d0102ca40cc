"""Every planned comparison by every estimator that applies: the order in which estimates become results."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from python_stats.analysis.bayesian_readings import bayesian_readings
from python_stats.analysis.benchmark_estimates import benchmark_estimates
from python_stats.analysis.bucket_estimates import bucket_estimates
from python_stats.analysis.cluster_estimates import cluster_estimates
from python_stats.analysis.compliance_estimates import compliance_estimates
from python_stats.analysis.difference_estimates import difference_estimates
from python_stats.analysis.estimate_rows import KEYS, stacked
from python_stats.analysis.families import correct_families
from python_stats.analysis.headline import mark_headline
from python_stats.analysis.moment_estimates import moment_estimates
from python_stats.analysis.omnibus_tests import omnibus_p_value
from python_stats.analysis.quantile_estimates import is_quantile, quantile_estimates
from python_stats.analysis.rank_estimates import rank_estimates
from python_stats.analysis.rate_estimates import rate_estimates
from python_stats.analysis.regression_estimates import regression_estimates
from python_stats.analysis.robust_estimates import geometric_estimates, trimmed_estimates
from python_stats.analysis.sequential import SEQUENTIAL_COLUMNS
from python_stats.analysis.settings import DEFAULTS, Settings
from python_stats.analysis.skewed_refusals import refuse_skewed
from python_stats.analysis.statuses import status_before
from python_stats.analysis.stratified_estimates import stratified_estimates
from python_stats.analysis.typed_frame import EFFECT_COLUMNS

PLAN = ["role", "alpha", "alternative", "correction"]
COMPARISON = [key for key in KEYS if key != "look_date"]

# What the monitoring of a headline adds to its row; the rest of it is about single looks.
MONITORED = [name for name in SEQUENTIAL_COLUMNS if name in EFFECT_COLUMNS]


@dataclass(frozen=True)
class Evidence:
    """What the moments of a comparison cannot say: one frame per moment model, empty where no plan asks for it.

    Attributes
    ----------
    covariate_moments, stratum_moments, cluster_totals, order_statistics, shares_below, unit_buckets, rank_sums, \
    trimmed_moments, log_moments, exposure_moments : DataFrame
        The models ``covariate_moment``, ``stratum_moment``, ``few_cluster_total``, ``order_statistic``,
        ``share_below``, ``unit_bucket``, ``rank_sum``, ``trimmed_moment``, ``log_moment`` and ``exposure_moment``.
    """

    covariate_moments: pd.DataFrame = field(default_factory=pd.DataFrame)
    stratum_moments: pd.DataFrame = field(default_factory=pd.DataFrame)
    cluster_totals: pd.DataFrame = field(default_factory=pd.DataFrame)
    order_statistics: pd.DataFrame | None = None
    shares_below: pd.DataFrame | None = None
    unit_buckets: pd.DataFrame = field(default_factory=pd.DataFrame)
    rank_sums: pd.DataFrame = field(default_factory=pd.DataFrame)
    trimmed_moments: pd.DataFrame = field(default_factory=pd.DataFrame)
    log_moments: pd.DataFrame = field(default_factory=pd.DataFrame)
    exposure_moments: pd.DataFrame = field(default_factory=pd.DataFrame)


def all_estimates(comparisons: pd.DataFrame, evidence: Evidence, settings: Settings = DEFAULTS) -> pd.DataFrame:
    """Estimate every comparison by every estimator that applies to it, and mark the headline.

    Parameters
    ----------
    comparisons : DataFrame
        One row per planned metric and treatment, with the columns of the model ``look_comparison``.
    evidence : Evidence
        The other moment tables.
    settings : Settings
        Thresholds and choices.

    Returns
    -------
    DataFrame
        One row per comparison and estimator, exactly one of each comparison with ``is_headline``.
    """
    # A quantile is no function of sums, whatever a plan asks for.
    estimable = (status_before(comparisons, settings.min_units) == "") & ~is_quantile(comparisons)
    possible = comparisons[estimable].reset_index(drop=True)
    lift = {"lift_method": settings.lift_method}
    parts = [
        moment_estimates(comparisons, settings),
        quantile_estimates(
            comparisons, evidence.order_statistics, evidence.shares_below, min_units=settings.min_units, **lift
        ),
        rate_estimates(possible, exact_below=settings.exact_below),
        benchmark_estimates(possible, exact_below=settings.exact_below),
        difference_estimates(possible, **lift),
    ]
    for estimate, moments, options in (
        (regression_estimates, evidence.covariate_moments, lift),
        (stratified_estimates, evidence.stratum_moments, lift),
        (cluster_estimates, evidence.cluster_totals, lift),
        (bucket_estimates, evidence.unit_buckets, {}),
        (rank_estimates, evidence.rank_sums, {}),
        (trimmed_estimates, evidence.trimmed_moments, lift),
        (geometric_estimates, evidence.log_moments, {}),
        (compliance_estimates, evidence.exposure_moments, {}),
    ):
        if len(moments):
            parts.append(estimate(possible, moments, **options))
    estimates = refuse_skewed(stacked(parts), settings.skewness_limit)
    estimates = mark_headline(estimates, comparisons)
    headlines = estimates[estimates["is_headline"]]
    readings = bayesian_readings(comparisons, headlines, prior_lift_sd=settings.prior_lift_sd)
    estimates.loc[estimates["is_headline"], "omnibus_p_value"] = omnibus_p_value(headlines)
    return stacked([estimates, readings])


def effects(
    comparisons: pd.DataFrame, evidence: Evidence, looks: pd.DataFrame, settings: Settings = DEFAULTS
) -> pd.DataFrame:
    """Estimate every comparison, add what its monitoring says, and correct the headlines family by family.

    Parameters
    ----------
    comparisons, evidence, settings
        As in `all_estimates`.
    looks : DataFrame
        The monitored headline at every look: the model ``look``.

    Returns
    -------
    DataFrame
        The columns of `python_stats.analysis.typed_frame.EFFECT_COLUMNS`.
    """
    estimates = all_estimates(comparisons, evidence, settings)
    # Monitoring follows the estimate from moments; a headline of another estimator was not monitored.
    last = looks[looks["is_headline"]].reindex(columns=[*KEYS, "estimator", *MONITORED])
    last = last.assign(is_headline=True)
    estimates = estimates.merge(last, on=[*KEYS, "estimator", "is_headline"], how="left")
    estimates = estimates.merge(comparisons[COMPARISON + PLAN], on=COMPARISON, how="left")
    by_role = estimates["role"].map(dict(settings.corrections))
    estimates["correction"] = estimates["correction"].fillna(by_role).fillna("none")
    return correct_families(estimates)
