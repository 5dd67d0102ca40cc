"""Effects of exposure on the units that assignment exposes, where exposures are known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.typing import NDArray

from python_stats.adjustment.causal import WEAK_FIRST_STAGE_F, cace
from python_stats.analysis.estimate_rows import estimate_rows
from python_stats.wald import Comparison


def compliance_estimates(possible_comparisons: pd.DataFrame, exposure_moments: pd.DataFrame) -> pd.DataFrame:
    """Estimate the complier average causal effect of every mean and rate whose units have exposures.

    Two-stage least squares with the assignment as the instrument of exposure, HC2 standard errors, t with N - 2
    degrees of freedom. Exposure is what happened before the unit's window closed.

    Parameters
    ----------
    possible_comparisons : DataFrame
        Comparisons with enough units, with the columns of the model ``look_comparison``; those of other populations
        than ``assigned``, of ratios and of clusters have no row in the result.
    exposure_moments : DataFrame
        One row per planned metric and variant: ``plan_key, variant_id, n_exposed, cov_numerator_exposure``.

    Returns
    -------
    DataFrame
        Rows of the estimator ``cace``, one per comparison whose metric has exposures, as `estimate_rows` lays them out:
        effect per unit that assignment exposes, values of the arms as assigned, no lift. Where exposure hardly differs
        between the arms (first-stage F below `causal.WEAK_FIRST_STAGE_F`), as when both log a trigger, there is
        no number and the status is ``weak_instrument``; ``zero_variance`` where outcomes do not vary.

    References
    ----------
    See `causal.cace`.
    """
    moments = exposure_moments[["plan_key", "variant_id", "n_exposed", "cov_numerator_exposure"]]
    table = possible_comparisons[
        (possible_comparisons["population"] == "assigned")
        & (possible_comparisons["metric_type"] != "ratio")
        & ~possible_comparisons["is_clustered"].astype(bool)
    ]
    for arm, variant in (("control", "control_variant_id"), ("treatment", "variant_id")):
        columns = {name: f"{name}_{arm}" for name in moments.columns[2:]}
        beside = moments.rename(columns={"variant_id": variant, **columns})
        table = table.merge(beside, on=["plan_key", variant], how="inner")

    arms: list[NDArray[np.float64]] = []
    for arm in ("control", "treatment"):
        mean, var, n, n_exposed, cov = (
            table[f"{name}_{arm}"].to_numpy(dtype=np.float64)
            for name in ("mean_numerator", "var_numerator", "n", "n_exposed", "cov_numerator_exposure")
        )
        share = n_exposed / n
        arms += [mean, share, var, share * (1 - share) * n / (n - 1), cov, n]
    result = cace(
        *arms, alpha=table["alpha"].to_numpy(dtype=np.float64), alternative=table["alternative"].to_numpy(dtype=str)
    )
    # Not a division: where all of one arm and none of the other are exposed, the first stage has no error.
    weak = ~(np.abs(result.compliance) > np.sqrt(WEAK_FIRST_STAGE_F) * result.compliance_se)
    comparison = Comparison(*(np.where(weak, np.nan, part) for part in result[: len(Comparison._fields)]))
    status: npt.ArrayLike = np.where(
        weak, "weak_instrument", np.where(np.isfinite(comparison.p_value), "ok", "zero_variance")
    )
    return estimate_rows(table, "cace", comparison, status=status, is_unadjusted=False)
