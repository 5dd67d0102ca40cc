"""Experiments with several treatments: whether any of their arms differ, one test per metric."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from python_stats.analysis.estimate_rows import KEYS
from python_stats.analysis.rate_counts import RATES
from python_stats.families.omnibus import welch_anova
from python_stats.rates.contingency import chi_square_rxc

CELL = [key for key in KEYS if key != "variant_id"]


def omnibus_p_value(headlines: pd.DataFrame) -> NDArray[np.float64]:
    """p-value of the hypothesis that all arms of a metric are equal, for metrics with several treatments.

    Rates compared by counts take the chi-square test of arms by outcomes; everything else Welch's analysis of variance
    of the headline estimates, in which the control's part of every effect's variance is one arm of its own. Where a
    headline is a corrected estimate, that analysis does not hold either: there it is Bonferroni's minimum of the
    headlines' p-values.

    Parameters
    ----------
    headlines : DataFrame
        Headline rows, with ``p_value`` and ``control_variance`` (the control's part of ``effect_se ** 2``).

    Returns
    -------
    ndarray
        One p-value per row, the same for all treatments of a metric; NaN with a single treatment, where the test of the
        effect says the same, and where a treatment has no test.
    """
    p_value = np.full(len(headlines), np.nan)
    cell = headlines.groupby(CELL, sort=False, dropna=False).ngroup().to_numpy()
    size = np.bincount(cell, minlength=1)
    rows = np.flatnonzero((size > 1)[cell])
    if not rows.size:
        return p_value
    rows = rows[np.argsort(cell[rows], kind="stable")]
    _, first, which = np.unique(cell[rows], return_index=True, return_inverse=True)
    place = np.arange(rows.size) - first[which]
    shape = (first.size, place.max() + 2)

    def arms(control: NDArray[np.float64], treatment: NDArray[np.float64]) -> NDArray[np.float64]:
        """Lay a column out by cell: the control first, then the treatments."""
        laid = np.full(shape, np.nan)
        laid[:, 0] = control[rows][first]
        laid[which, place + 1] = treatment[rows]
        return laid

    def column(name: str) -> NDArray[np.float64]:
        return headlines[name].to_numpy(dtype=np.float64)

    effect, shared = column("effect"), column("control_variance")
    n = arms(column("n_control"), column("n_treatment"))
    clusters = arms(column("clusters_control"), column("clusters_treatment"))
    with np.errstate(all="ignore"):
        variance = arms(shared, column("effect_se") ** 2 - shared)
        df = np.where(np.isfinite(clusters), clusters, n) - 1
    result = welch_anova(arms(np.where(np.isfinite(effect), 0.0, np.nan), effect), variance, df).p_value

    is_rate = (headlines["metric_type"].isin(RATES) & headlines["estimator"].isin(["difference", "exact"])).to_numpy()
    rate = arms(column("mean_control"), column("mean_treatment"))
    successes = np.nan_to_num(np.rint(rate * n))
    counts = np.stack([successes, np.nan_to_num(n) - successes], axis=-1)
    by_counts = np.bincount(which, is_rate[rows], minlength=first.size) == np.bincount(which, minlength=first.size)
    result = np.where(by_counts, chi_square_rxc(counts).p_value, result)
    treatments = np.bincount(which, minlength=first.size)
    own_p = column("p_value")[rows]
    is_corrected = headlines["estimator"].str.endswith("_corrected").to_numpy(dtype=bool)[rows]
    least = np.full(first.size, np.inf)
    np.fmin.at(least, which, own_p)
    bonferroni = np.minimum(1.0, treatments * least)
    result = np.where(np.bincount(which, is_corrected, minlength=first.size) > 0, bonferroni, result)
    tested = np.bincount(which, np.isfinite(own_p), minlength=first.size)
    p_value[rows] = np.where(tested == treatments, result, np.nan)[which]
    return p_value
