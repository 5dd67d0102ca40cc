"""Effects of exposure on the units that assignment exposes, where exposures are known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from python_stats.adjustment.causal import WEAK_FIRST_STAGE_F, cace
from python_stats.analysis.settings import DEFAULTS, Settings
from python_stats.analysis.table.arms import arms_of
from python_stats.analysis.table.comparisons import ARMS, Comparisons, FloatArray
from python_stats.analysis.table.estimate_rows import EstimateRows, estimate_rows
from python_stats.analysis.table.metric_types import is_ratio
from python_stats.wald import Comparison


def compliance_estimates(
    comparisons: pd.DataFrame | Comparisons, exposure_moments: pd.DataFrame, settings: Settings = DEFAULTS
) -> list[EstimateRows]:
    """Estimate the complier average causal effect of every mean and rate whose units have exposures.

    Two-stage least squares with the assignment as the instrument of exposure, HC2 standard errors, t with N - 2
    degrees of freedom. Exposure is what happened before the unit's window closed.

    Parameters
    ----------
    comparisons : DataFrame or Comparisons
        Comparisons with enough units, with the columns of the model ``look_comparison``; those of other populations
        than ``assigned``, of ratios and of clusters have no row in the result.
    exposure_moments : DataFrame
        One row per planned metric and variant: ``plan_key, variant_id, n_exposed, cov_numerator_exposure``.
    settings : Settings
        None is used.

    Returns
    -------
    list of EstimateRows
        A row ``cace`` for every comparison whose metric has exposures: effect per unit that assignment exposes,
        values of the arms as assigned, no lift. Where exposure hardly differs between the arms (first-stage F below
        `causal.WEAK_FIRST_STAGE_F`), as when both log a trigger, there is no number and the status is
        ``weak_instrument``; ``zero_variance`` where outcomes do not vary.

    References
    ----------
    See `causal.cace`.
    """
    table = Comparisons.of(comparisons)
    table, exposed = arms_of(
        table.take(table.is_word("population", "assigned") & ~is_ratio(table) & ~table.flag("is_clustered")),
        exposure_moments,
        ["n_exposed", "cov_numerator_exposure"],
    )
    if not len(table):
        return []
    arms: list[FloatArray] = []
    for arm, (n_exposed, cov) in zip(ARMS, exposed, strict=True):
        mean, var, n = table.of_arm(arm, "mean_numerator", "var_numerator", "n")
        share = n_exposed / n
        arms += [mean, share, var, share * (1 - share) * n / (n - 1), cov, n]
    result = cace(*arms, **table.plan)
    # Not a division: where all of one arm and none of the other are exposed, the first stage has no error.
    weak = ~(np.abs(result.compliance) > np.sqrt(WEAK_FIRST_STAGE_F) * result.compliance_se)
    comparison = Comparison(*(np.where(weak, np.nan, part) for part in result[: len(Comparison._fields)]))
    status: npt.ArrayLike = np.where(
        weak, "weak_instrument", np.where(np.isfinite(comparison.p_value), "ok", "zero_variance")
    )
    return [estimate_rows(table, "cace", comparison, status=status, is_unadjusted=False)]
