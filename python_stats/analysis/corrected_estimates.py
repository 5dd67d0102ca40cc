"""The estimates whose first-order theory does not hold: skewed differences, small ratios, clusters of unequal size.

They have the effect of the estimate that they correct and its name with ``_corrected`` behind it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from python_stats.analysis.cluster_df import cluster_df, cluster_level_df
from python_stats.analysis.estimate import Estimate
from python_stats.analysis.estimate_rows import level_and_side
from python_stats.analysis.rate_counts import is_rate
from python_stats.analysis.settings import Settings
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
    estimate : Estimate
        ``available`` where the correction is needed and can be made.
    lift : Lift
        Its lift.
    is_skewed : ndarray of bool
        Where the effect is too skewed for a normal reference.
    is_refused : ndarray of bool
        Where it is too skewed for any correction: neither estimate stands.
    """

    estimate: Estimate
    lift: Lift
    is_skewed: NDArray[np.bool_]
    is_refused: NDArray[np.bool_]


def corrected(table: pd.DataFrame, estimate: Estimate, widening: NDArray[np.float64], settings: Settings) -> Corrected:
    """Correct the estimates that need it.

    * Differences that are skewed by more than ``skewness_corrected_from``: Hall's transformation. Beyond
      ``skewness_limit`` nothing helps. Rates of independent units have tests of their own.
    * Ratios of few units: the standard error of HC3, to its first order.
    * Clusters of unequal size: the degrees of freedom of clusters that vary as wholes.

    Parameters
    ----------
    table : DataFrame
        Comparisons with the columns of the model ``look_comparison``.
    estimate : Estimate
        The estimate of every comparison, with its skewness.
    widening : ndarray
        Factor on the standard error of ratios, as of `effect_skewness.ratio_skewness`; 1 elsewhere.
    settings : Settings
        ``skewness_corrected_from`` and ``skewness_limit``.

    Returns
    -------
    Corrected
        The corrected estimates.

    References
    ----------
    See `hall_transformation.hall_wald` and `clusters.cluster_level_df`.
    """
    plan = level_and_side(table)
    comparison = estimate.comparison
    clustered = table["is_clustered"].to_numpy(dtype=bool)
    # Rates of independent units have tests of their own.
    raw_rate = is_rate(table) & (estimate.name == "difference")

    size = np.abs(np.nan_to_num(estimate.skewness))
    is_skewed = (size > settings.skewness_corrected_from) & estimate.is_clearly_skewed & ~raw_rate
    is_refused = is_skewed & (size > settings.skewness_limit)
    skewness = np.where(is_skewed, estimate.skewness, 0.0)

    by_units = cluster_df(table)
    as_wholes = np.fmin(cluster_level_df(table), by_units)
    is_unequal = clustered & (as_wholes < ENOUGH_DF) & (as_wholes < UNEQUAL_DF_SHARE * by_units)
    df = np.where(is_unequal, as_wholes, comparison.df)

    needed = is_skewed | ((widening > LEAST_WIDENING) & ~clustered) | is_unequal
    better = hall_wald(comparison.effect, comparison.se * widening, df, skewness, **plan)
    new = estimate._replace(
        name=np.char.add(estimate.name.astype(str), "_corrected"),
        comparison=better,
        se_control=estimate.se_control * widening,
        cov_effect_control=estimate.cov_effect_control * widening**2,
        control_variance=estimate.control_variance * widening**2,
        reference_skewness=skewness,
        available=estimate.available & needed & ~is_refused & np.isfinite(better.p_value),
    )
    lift = _lift(new, skewness, is_skewed, plan, settings.lift_method)
    return Corrected(new, lift, is_skewed, is_refused)


def _lift(
    estimate: Estimate,
    skewness: NDArray[np.float64],
    is_skewed: NDArray[np.bool_],
    plan: dict[str, NDArray[np.generic]],
    method: str,
) -> Lift:
    """Return the lift with the same correction, on the scale of the test where that is transformed."""
    c = estimate.comparison
    base = (c.effect, c.se, estimate.mean_control, estimate.se_control)
    more = {"cov_effect_control": estimate.cov_effect_control, "df": c.df, **plan}
    usual = lift_interval(*base, method=method, **more)
    transformed = hall_lift(*base, skewness, **more)
    return Lift(*(np.where(is_skewed, hall, plain) for hall, plain in zip(transformed, usual, strict=True)))
