"""Why a comparison has no number: what shows before any estimator has run, and what shows only afterwards."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from python_stats.analysis.table.comparisons import ARMS, BoolArray, Comparisons
from python_stats.analysis.table.metric_types import is_ratio
from python_stats.wald import Comparison

# A ratio of sums is close to linear in its denominator only where that is this many standard errors away from zero.
CLEAR_DENOMINATOR = 5.0


def status_before(table: Comparisons, min_units: int) -> NDArray[np.object_]:
    """Why each comparison cannot be made at all; an empty string where it can.

    Parameters
    ----------
    table : Comparisons
        The comparisons.
    min_units : int
        An arm with fewer mature units has a status instead of a test.
    """
    fewest = np.fmin(table.number("n_control"), table.number("n_treatment"))
    clusters = np.fmin(table.number("clusters_control"), table.number("clusters_treatment"))
    status = np.full(len(table), "", dtype=object)
    status[(clusters < 2) & table.flag("is_clustered")] = "too_few_clusters"
    status[fewest < max(min_units, 2)] = "too_few_units"
    status[fewest == 0] = "not_mature"
    status[(status == "") & _near_zero(table)] = "denominator_near_zero"
    code, issues = table.words("issue")
    known = code >= 0
    status[known] = issues.to_numpy(dtype=object)[code[known]]
    return status


def _near_zero(table: Comparisons) -> BoolArray:
    """Whether a ratio's denominator, in either arm, is too uncertain to divide by; zero itself is another status."""
    near = np.zeros(len(table), dtype=bool)
    for arm in ARMS:
        # By units for clusters too: how many events there are is the question, not how unlike the clusters are.
        mean, n, variance = table.of_arm(arm, "mean_denominator", "n", "var_denominator")
        with np.errstate(all="ignore"):
            near |= (mean != 0) & (np.abs(mean) < CLEAR_DENOMINATOR * np.sqrt(variance / n))
    return near & is_ratio(table)


def status_after(table: Comparisons, comparison: Comparison) -> NDArray[np.object_]:
    """Say ``ok`` where there is a test, and why not where there is none: reasons that show once the numbers are there.

    Parameters
    ----------
    table : Comparisons
        The comparisons estimated.
    comparison : Comparison
        One element per row of ``table``.

    Returns
    -------
    ndarray of str
        ``ok``; ``zero_denominator`` for a ratio with a denominator of zero in an arm; ``too_few_clusters`` where one
        cluster has all of an arm's weight, which leaves nothing to compare it with; ``zero_variance`` otherwise.
    """
    denominators = [table.number(f"mean_denominator_{arm}") for arm in ARMS]
    traces = [table.number(f"satterthwaite_trace_{arm}") for arm in ARMS]
    undefined = is_ratio(table) & ((denominators[0] == 0) | (denominators[1] == 0))
    alone = table.flag("is_clustered") & (np.isnan(traces[0]) | np.isnan(traces[1]))
    status = np.full(len(table), "zero_variance", dtype=object)
    status[alone] = "too_few_clusters"
    status[undefined] = "zero_denominator"
    status[np.isfinite(comparison.p_value)] = "ok"
    return status
