"""The estimates whose first-order theory does not hold: skewed differences, small ratios, clusters of unequal size.

They have the effect of the estimate that they correct and its name with ``_corrected`` behind it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from python_stats.analysis.estimators.cluster_df import cluster_df, cluster_level_df
from python_stats.analysis.estimators.estimate import Estimate
from python_stats.analysis.settings import Settings
from python_stats.analysis.table.comparisons import BoolArray, Comparisons, FloatArray, IntArray
from python_stats.analysis.table.metric_types import is_rate
from python_stats.lift import Lift, lift_interval
from python_stats.means.hall_transformation import hall_lift, hall_wald

# Where the degrees of freedom for clusters that vary as wholes are below this share of Bell and McCaffrey's, the sizes
# are too unequal for the latter.
UNEQUAL_DF_SHARE = 0.8
# With so many, t is normal to a percent of its quantile: thousands of households keep the usual row as the headline.
ENOUGH_DF = 200.0

# A ratio's standard error is corrected where the leverage of its units widens it by more: fewer than some 80 units.
LEAST_WIDENING = 1.015


class Corrected(NamedTuple):
    """A corrected estimate, and what is left of the one that it corrects.

    Attributes
    ----------
    rows : ndarray of int
        The comparisons where the correction is needed and can be made.
    estimate : Estimate
        The corrected estimate, one element per element of ``rows``.
    lift : Lift
        Its lift.
    is_skewed : ndarray of bool, shape (comparisons,)
        Where the effect is too skewed for a normal reference.
    is_refused : ndarray of bool, shape (comparisons,)
        Where it is too skewed for any correction: neither estimate stands.
    """

    rows: IntArray
    estimate: Estimate
    lift: Lift
    is_skewed: BoolArray
    is_refused: BoolArray


def corrected(
    table: Comparisons, estimate: Estimate, there: BoolArray, widening: FloatArray, settings: Settings
) -> Corrected:
    """Correct the estimates that need it.

    * Differences that are skewed by more than ``skewness_corrected_from``: Hall's transformation. Beyond
      ``skewness_limit`` nothing helps. Rates of independent units have tests of their own.
    * Ratios of few units: the standard error of HC3, to its first order.
    * Clusters of unequal size: the degrees of freedom of clusters that vary as wholes.

    Parameters
    ----------
    table : Comparisons
        The comparisons.
    estimate : Estimate
        The estimate of every comparison, with its skewness.
    there : ndarray of bool
        Where the estimate exists.
    widening : ndarray
        Factor on the standard error of ratios, as of `effect_skewness.ratio_skewness`; 1 elsewhere.
    settings : Settings
        ``skewness_corrected_from``, ``skewness_limit`` and ``lift_interval``.

    Returns
    -------
    Corrected
        The corrected estimates.

    References
    ----------
    See `python_stats.hall_wald` and `python_stats.cluster_level_df`.
    """
    clustered = table.flag("is_clustered")
    # Rates of independent units have tests of their own.
    raw_rate = is_rate(table) & (estimate.name == "difference")

    size = np.abs(np.nan_to_num(estimate.skewness))
    is_skewed = (size > settings.skewness_corrected_from) & estimate.is_clearly_skewed & ~raw_rate
    is_refused = is_skewed & (size > settings.skewness_limit)

    by_units = cluster_df(table)
    as_wholes = np.fmin(cluster_level_df(table), by_units)
    is_unequal = clustered & (as_wholes < ENOUGH_DF) & (as_wholes < UNEQUAL_DF_SHARE * by_units)

    needed = is_skewed | ((widening > LEAST_WIDENING) & ~clustered) | is_unequal
    rows = np.flatnonzero(needed & there & ~is_refused)
    old, plan = estimate.take(rows), table.take(rows).plan
    skewness, wider = np.where(is_skewed, estimate.skewness, 0.0)[rows], widening[rows]
    df = np.where(is_unequal[rows], as_wholes[rows], old.comparison.df)
    new = old._replace(
        name=f"{estimate.name}_corrected",
        comparison=hall_wald(old.comparison.effect, old.comparison.se * wider, df, skewness, **plan),
        se_control=old.se_control * wider,
        cov_effect_control=old.cov_effect_control * wider**2,
        control_variance=old.control_variance * wider**2,
        reference_skewness=skewness,
    )
    lift = _lift(new, is_skewed[rows], plan, settings.lift_interval)
    made = np.isfinite(new.comparison.p_value)
    return Corrected(rows[made], new.take(made), Lift(*(part[made] for part in lift)), is_skewed, is_refused)


def _lift(estimate: Estimate, is_skewed: BoolArray, plan: dict[str, npt.ArrayLike], method: str) -> Lift:
    """Return the lift with the same correction, on the scale of the test where that is transformed."""
    c = estimate.comparison
    base = (c.effect, c.se, estimate.mean_control, estimate.se_control)
    more = {"cov_effect_control": estimate.cov_effect_control, "df": c.df, **plan}
    usual = lift_interval(*base, method=method, **more)
    transformed = hall_lift(*base, estimate.reference_skewness, **more)
    return Lift(*(np.where(is_skewed, hall, plain) for hall, plain in zip(transformed, usual, strict=True)))
