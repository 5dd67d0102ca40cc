"""The estimates that need nothing but moments, as rows: each raw one, its adjusted one, and what corrects them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from python_stats.analysis.estimators.corrected_estimates import corrected
from python_stats.analysis.estimators.estimate import Estimate
from python_stats.analysis.estimators.rate_counts import rate_counts
from python_stats.analysis.estimators.rate_estimates import with_score_intervals
from python_stats.analysis.estimators.raw_and_adjusted import of_clusters, of_units
from python_stats.analysis.settings import DEFAULTS, Settings
from python_stats.analysis.table.comparisons import ARMS, BoolArray, Comparisons, FloatArray
from python_stats.analysis.table.estimate_rows import EstimateRows, estimate_rows, without_numbers
from python_stats.analysis.table.metric_types import is_quantile, is_rate, is_ratio
from python_stats.analysis.table.statuses import status_after, status_before
from python_stats.lift import Lift, lift_interval
from python_stats.means.welch import cohen_d

# Events of a cluster are alike: it takes more of them than of independent units.
CLUSTERED_EVENTS = 2.0


def moment_estimates(comparisons: pd.DataFrame | Comparisons, settings: Settings = DEFAULTS) -> list[EstimateRows]:
    """Estimate the effect of every comparison from its moments, raw and adjusted by the pre-period.

    Rates are compared by the pooled two-proportion z test (interval unpooled, Miettinen and Nurminen's where an arm
    expects fewer than ``score_below`` units with or without the outcome), means by Welch's t test, ratios of sums by
    the delta method with Welch's degrees of freedom, each with CUPED beside it where a pre-period covariate exists.
    Comparisons of clustered arms use the cluster-robust moments (CR2) with Bell-McCaffrey degrees of freedom, never the
    unit-level variance. Where these do not hold there is a corrected estimate beside them.

    Parameters
    ----------
    comparisons : DataFrame or Comparisons
        One row per planned metric, treatment and look, with the columns of the model ``look_comparison``: keys,
        ``metric_type``, ``alpha``, ``alternative``, ``estimator``, ``issue``, ``is_clustered``, ``n_*``, ``mean_*``,
        ``var_*``, ``cov_*`` and ``cluster_*`` of both arms.
    settings : Settings
        ``min_units``, ``score_below``, ``exact_below``, ``lift_interval`` and the limits of the skewness.

    Returns
    -------
    list of EstimateRows
        The unadjusted estimate of every comparison (``is_unadjusted``: the corrected one where there is one), the
        adjusted one where there is a covariate to use, with ``variance_reduction``. A quantile is no function of
        moments: such a comparison has no row here.
        Status ``too_skewed`` where the difference is too far from normal to be compared, and for an adjusted ratio
        whose own skewness is not known where its raw one needs a correction; ``too_few_events`` for rates of clusters
        where an arm expects fewer than `CLUSTERED_EVENTS` times ``exact_below`` units with, or without, the outcome.

    References
    ----------
    See the modules of the estimators: `proportions`, `welch`, `ratios`, `pre_period`, `robust_variance`, `lift`.
    """
    table = Comparisons.of(comparisons)
    table = table.take(~is_quantile(table))
    status = status_before(table, settings.min_units)
    ratios, clustered = is_ratio(table), table.flag("is_clustered")
    parts: list[EstimateRows] = []
    for compare, by_cluster in ((of_units, False), (of_clusters, True)):
        for ratio in (False, True):
            kind = (ratios == ratio) & (clustered == by_cluster)
            impossible, possible = table.take(kind & (status != "")), table.take(kind & (status == ""))
            name = "cluster" if by_cluster else "ratio" if ratio else "difference"
            parts.append(without_numbers(impossible, name, status[kind & (status != "")], is_unadjusted=True))
            if len(possible):
                parts += _rows_of_one_kind(possible, *compare(possible, ratio=ratio), settings, ratio=ratio)
    return [part for part in parts if len(part)]


def _rows_of_one_kind(
    table: Comparisons,
    raw: Estimate,
    adjusted: Estimate,
    is_adjusted: BoolArray,
    widening: FloatArray,
    settings: Settings,
    *,
    ratio: bool,
) -> list[EstimateRows]:
    """Decide which of both estimates stand, which are corrected and which refused, and lay them out."""
    with np.errstate(all="ignore"):
        reduction = 1 - (adjusted.comparison.se / raw.comparison.se) ** 2
    few_events = rate_counts(table).fewest_expected < CLUSTERED_EVENTS * settings.exact_below
    too_few = table.flag("is_clustered") & is_rate(table) & few_events
    cohens_d = np.full(len(table), np.nan) if ratio else _cohens_d(table)

    parts = []
    everywhere = np.ones(len(table), dtype=bool)
    is_raw_skewed = np.zeros(len(table), dtype=bool)
    for estimate, there, gained in ((raw, everywhere, np.zeros(len(table))), (adjusted, is_adjusted, reduction)):
        # Each its own: a perfect covariate leaves an adjusted estimate no variance, and no test.
        status = status_after(table, estimate.comparison)
        better = corrected(table, estimate, there, widening, settings)
        refused = better.is_refused
        if estimate is raw:
            is_raw_skewed = better.is_skewed
        elif ratio:
            # How skewed an adjusted ratio is, nobody knows: its raw one is compared in its place.
            refused = refused | is_raw_skewed
        why = np.full(len(table), "", dtype=object)
        why[refused] = "too_skewed"
        why[too_few] = "too_few_events"
        why[(status != "ok") | ~there] = ""
        replaced = np.zeros(len(table), dtype=bool)
        replaced[better.rows] = True
        replaced &= why == ""
        more = {"variance_reduction": gained, "cohens_d": cohens_d}

        stands = estimate.without(why != "").take(there)
        own, is_raw = table.take(there), estimate is raw
        first = _rows(
            own, stands, np.where(why == "", status, why)[there], _lift(own, stands, settings.lift_interval),
            is_unadjusted=(is_raw & ~replaced)[there], **{name: values[there] for name, values in more.items()},
        )  # fmt: skip
        parts.append(with_score_intervals(first, settings.score_below))
        kept = replaced[better.rows]
        rows = better.rows[kept]
        if rows.size:
            lift = Lift(*(part[kept] for part in better.lift))
            parts.append(
                _rows(
                    table.take(rows), better.estimate.take(kept), status[rows], lift,
                    is_unadjusted=np.full(rows.size, is_raw), **{name: values[rows] for name, values in more.items()},
                )
            )  # fmt: skip
    return parts


def _lift(table: Comparisons, estimate: Estimate, method: str) -> Lift:
    c = estimate.comparison
    return lift_interval(
        c.effect, c.se, estimate.mean_control, estimate.se_control, cov_effect_control=estimate.cov_effect_control,
        df=c.df, method=method, **table.plan,
    )  # fmt: skip


def _rows(
    table: Comparisons,
    estimate: Estimate,
    status: NDArray[np.object_],
    lift: Lift,
    *,
    is_unadjusted: BoolArray,
    variance_reduction: FloatArray,
    cohens_d: FloatArray,
) -> EstimateRows:
    """Lay one estimator out, with what the monitoring of the estimate needs beside it."""
    tested = np.isfinite(estimate.comparison.p_value)
    return estimate_rows(
        table, estimate.name, estimate.comparison, status=status, lift=lift, is_unadjusted=is_unadjusted,
        # Also where it is the reason why there is no test.
        effect_skewness=np.where(tested | (status == "too_skewed"), estimate.skewness, np.nan),
        variance_reduction=np.where(tested, variance_reduction, np.nan),
        cohens_d=np.where(tested, cohens_d, np.nan),
        control_variance=estimate.control_variance, reference_skewness=estimate.reference_skewness,
        se_control=estimate.se_control, cov_effect_control=estimate.cov_effect_control,
    )  # fmt: skip


def _cohens_d(table: Comparisons) -> FloatArray:
    """Return the raw difference in standard deviations of a unit, which a ratio has none of."""
    return cohen_d(*(values for arm in ARMS for values in table.of_arm(arm, "mean_numerator", "var_numerator", "n")))
