"""Experiments with several treatments: whether any of their arms differ, one test per metric."""

from __future__ import annotations

import numpy as np

from python_stats.analysis.estimators.register import BY_NAME
from python_stats.analysis.judgement.headline import Headlines
from python_stats.analysis.table.comparisons import LOOK_KEYS, FloatArray
from python_stats.analysis.table.metric_types import is_rate
from python_stats.families.omnibus import welch_anova
from python_stats.rates.contingency import chi_square_rxc

CELL = [key for key in LOOK_KEYS if key != "variant_id"]


def omnibus_p_value(headlines: Headlines) -> FloatArray:
    """p-value of the hypothesis that all arms of a metric are equal, for metrics with several treatments.

    Rates compared by counts take the chi-square test of arms by outcomes; everything else Welch's analysis of variance
    of the headline estimates, in which the control's part of every effect's variance is one arm of its own. An
    adjustment has another slope, and so another control, in each comparison: the control's variance is the mean of
    theirs, so that neither names nor order of the treatments matter. Where a
    headline is a corrected estimate, that analysis does not hold either: there it is Bonferroni's minimum of the
    headlines' p-values.

    Parameters
    ----------
    headlines : Headlines
        The headline of every comparison, with ``p_value`` and ``control_variance`` (the
        control's part of ``effect_se ** 2``).

    Returns
    -------
    ndarray
        One p-value per comparison, the same for all treatments of a metric; NaN with a single treatment, where the
        test of the effect says the same, and where a treatment has no test.
    """
    p_value = np.full(len(headlines), np.nan)
    cell = headlines.table.group(CELL)
    size = np.bincount(cell, minlength=1)
    rows = np.flatnonzero((size > 1)[cell])
    if not rows.size:
        return p_value
    rows = rows[np.argsort(cell[rows], kind="stable")]
    _, first, which = np.unique(cell[rows], return_index=True, return_inverse=True)
    place = np.arange(rows.size) - first[which]
    shape = (first.size, place.max() + 2)

    treatments = np.bincount(which, minlength=first.size)

    def arms(control: FloatArray, treatment: FloatArray) -> FloatArray:
        """Lay a column out by cell: the control first (the mean of what its comparisons say), then the treatments."""
        laid = np.full(shape, np.nan)
        laid[:, 0] = np.bincount(which, control[rows], minlength=first.size) / treatments
        laid[which, place + 1] = treatment[rows]
        return laid

    effect, shared = headlines["effect"], headlines["control_variance"]
    n = arms(headlines["n_control"], headlines["n_treatment"])
    clusters = arms(headlines["clusters_control"], headlines["clusters_treatment"])
    with np.errstate(all="ignore"):
        variance = arms(shared, headlines["effect_se"] ** 2 - shared)
        df = np.where(np.isfinite(clusters), clusters, n) - 1
    counted = (is_rate(headlines.table) & headlines.is_by("difference", "exact"))[rows]
    by_counts = np.bincount(which, counted, minlength=first.size) == treatments
    result = np.full(first.size, np.nan)
    mean = arms(np.where(np.isfinite(effect), 0.0, np.nan), effect)
    result[~by_counts] = welch_anova(mean[~by_counts], variance[~by_counts], df[~by_counts]).p_value
    rate = arms(headlines["mean_control"], headlines["mean_treatment"])[by_counts]
    units = n[by_counts]
    successes = np.nan_to_num(np.rint(rate * units))
    result[by_counts] = chi_square_rxc(np.stack([successes, np.nan_to_num(units) - successes], axis=-1)).p_value
    own_p = headlines["p_value"][rows]
    corrected = [name for name, estimator in BY_NAME.items() if estimator.kind == "corrected"]
    is_corrected = headlines.is_by(*corrected)[rows]
    least = np.full(first.size, np.inf)
    np.fmin.at(least, which, own_p)
    bonferroni = np.minimum(1.0, treatments * least)
    result = np.where(np.bincount(which, is_corrected, minlength=first.size) > 0, bonferroni, result)
    tested = np.bincount(which, np.isfinite(own_p), minlength=first.size)
    p_value[rows] = np.where(tested == treatments, result, np.nan)[which]
    return p_value
