"""What a running experiment can still tell: detectable effect now, power for the planned one, sample still needed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from python_stats.analysis.table.comparisons import COMPARISON_KEYS
from python_stats.planning.power_means import mde_means, power_means, sample_size_means


def precision_now(estimates: pd.DataFrame) -> pd.DataFrame:
    """Power of each comparison at the precision it has reached.

    The standard error of the headline estimate (covariates and clusters included) stands for the sample so far; a
    sample ``f`` times as large, split the same way, has a standard error smaller by ``sqrt(f)``. Normal reference, as
    planning uses: with few clusters the numbers are optimistic.

    Parameters
    ----------
    estimates : DataFrame
        Headline rows: ``effect_se, mean_control, n_control, n_treatment, alpha, power, alternative, mde,
        effect_scale``.

    Returns
    -------
    DataFrame
        The rows' keys with ``mde_now_absolute``, ``mde_now`` (fraction of the control mean), ``mde_absolute`` (the
        planned one in the metric's unit), ``power_for_mde`` and ``n_needed`` (control and treatment together, for the
        planned effect at the planned power). NaN where there is no standard error or no plan.
    """
    se = estimates["effect_se"].to_numpy(dtype=np.float64)
    base = np.abs(estimates["mean_control"].to_numpy(dtype=np.float64))
    mde = estimates["mde"].to_numpy(dtype=np.float64)
    alternative = estimates["alternative"].to_numpy(dtype=str)
    alpha = estimates["alpha"].to_numpy(dtype=np.float64)
    target = estimates["power"].to_numpy(dtype=np.float64)
    planned = np.where((estimates["effect_scale"] == "absolute").to_numpy(), mde, mde * base)
    # A planned effect is a size; for "less" it lies on the other side of zero.
    effect = np.where(alternative == "less", -planned, planned)
    known = np.isfinite(se) & (se > 0)
    half = np.where(known, se, np.nan) ** 2 / 2
    plan = {"var_control": half, "var_treatment": half, "alpha": alpha, "alternative": alternative}
    now = np.abs(mde_means(1.0, power=target, **plan)) if len(estimates) else np.empty(0)
    usable = known & (planned > 0)
    power = np.where(usable, power_means(np.where(usable, effect, 1.0), 1.0, **plan), np.nan)
    factor = sample_size_means(np.where(usable, effect, np.nan), power=target, **plan).n_control
    total = estimates["n_control"].to_numpy(dtype=np.float64) + estimates["n_treatment"].to_numpy(dtype=np.float64)
    with np.errstate(all="ignore"):
        relative = np.where(base > 0, now / base, np.nan)
    return estimates[[*COMPARISON_KEYS]].assign(
        mde_now_absolute=now,
        mde_now=relative,
        mde_absolute=planned,
        power_for_mde=power,
        n_needed=np.ceil(np.where(usable, factor * total, np.nan)),
    )
