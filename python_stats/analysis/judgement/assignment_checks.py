"""Whether an assignment can be trusted: allocation as planned, and arms that were alike before they were treated."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from python_stats.allocation import exact_multinomial, sequential_srm, srm_over_phases
from python_stats.analysis.estimators.cluster_df import cluster_df
from python_stats.analysis.settings import DEFAULTS, Settings
from python_stats.analysis.table.comparisons import ARMS, Comparisons
from python_stats.means.welch import welch_t
from python_stats.wald import wald

# Below this expected count in an arm, the chi-square reference is replaced by the exact multinomial (Cochran's rule).
FEW_EXPECTED = 5.0


def check_allocation(counts: pd.DataFrame, settings: Settings = DEFAULTS) -> pd.DataFrame:
    """Test every experiment's allocation for a sample ratio mismatch, among the assigned and among the exposed.

    Parameters
    ----------
    counts : DataFrame
        One row per experiment, population, variant, day and phase: ``exp_id, population, variant_id, assigned_on,
        phase, n, traffic_share``. Each population has every variant in each of its days.
    settings : Settings
        ``srm_prior_units``, the concentration of the sequential test's prior around the plan.

    Returns
    -------
    DataFrame
        One row per experiment and check (``srm`` and ``srm_sequential`` of the assigned, ``exposure_balance`` of the
        exposed where there are any): ``exp_id, check_name, statistic, df, p_value, deviation`` (largest relative
        deviation from the expected count) and ``note`` (``empty_arm``, ``unplanned_arm`` or missing). The sequential
        statistic is the log Bayes factor.

    References
    ----------
    See `allocation.srm_over_phases`, `allocation.exact_multinomial` and `allocation.sequential_srm`.
    """
    assigned, exposed = (counts[counts["population"] == name] for name in ("assigned", "exposed"))
    columns = ["exp_id", "check_name", "statistic", "df", "p_value", "deviation", "note"]
    parts = [pd.DataFrame(columns=columns)]
    if not assigned.empty:
        fixed = _one_look(assigned).assign(check_name="srm")
        parts = [
            fixed,
            fixed.assign(check_name="srm_sequential", df=np.nan, **_every_day(assigned, settings.srm_prior_units)),
        ]
    if not exposed.empty:
        parts.append(_one_look(exposed).assign(check_name="exposure_balance"))
    return pd.concat(parts, ignore_index=True)[columns]


def _one_look(counts: pd.DataFrame) -> pd.DataFrame:
    """Test the counts of all days together: one row per experiment, in sorted order."""
    experiment, exp_ids = pd.factorize(counts["exp_id"], sort=True)
    arm = _position(counts, ["exp_id"], "variant_id")
    phase = counts["phase"].to_numpy(dtype=int)
    n, share = (counts[c].to_numpy(dtype=np.float64) for c in ("n", "traffic_share"))
    by_phase = np.full((len(exp_ids), phase.max() + 1, arm.max() + 1), np.nan)
    phase_share = by_phase.copy()
    phase_share[experiment, phase, arm] = share
    by_phase[experiment, phase, arm] = 0
    np.add.at(by_phase, (experiment, phase, arm), n)
    fixed = srm_over_phases(by_phase, phase_share)

    total = np.nansum(by_phase, axis=1)
    one_phase = np.isfinite(phase_share[:, :, 0]).sum(axis=1) == 1
    expected = np.nansum(np.nansum(by_phase, axis=2, keepdims=True) * phase_share, axis=1)
    with np.errstate(invalid="ignore"):
        few = one_phase & (np.where(expected > 0, expected, np.inf).min(axis=1) < FEW_EXPECTED)
    p_value = fixed.p_value.copy()
    if few.any():
        first_share = np.where(np.isfinite(phase_share), phase_share, -np.inf).max(axis=1)
        arms = np.where(np.isfinite(first_share), total, np.nan)[few]
        p_value[few] = exact_multinomial(arms, np.where(np.isfinite(first_share), first_share, np.nan)[few]).p_value
    return pd.DataFrame(
        {
            "exp_id": exp_ids,
            "statistic": fixed.statistic,
            "df": fixed.df,
            "p_value": p_value,
            "deviation": fixed.max_relative_deviation,
            "note": np.where(fixed.is_unplanned, "unplanned_arm", np.where(fixed.has_empty_arm, "empty_arm", None)),
        }
    )


def _every_day(counts: pd.DataFrame, prior_units: float) -> dict[str, NDArray[np.float64]]:
    """Test the counts day by day: statistic and p-value at the last day, one element per experiment in sorted order."""
    experiment, exp_ids = pd.factorize(counts["exp_id"], sort=True)
    arm = _position(counts, ["exp_id"], "variant_id")
    look = _position(counts.assign(look=counts["assigned_on"].astype(str) + " " + counts["phase"].astype(str)),
                     ["exp_id"], "look")  # fmt: skip
    by_look = np.full((len(exp_ids), look.max() + 1, arm.max() + 1), np.nan)
    look_share = by_look.copy()
    by_look[experiment, look, arm] = counts["n"].to_numpy(dtype=np.float64)
    look_share[experiment, look, arm] = counts["traffic_share"].to_numpy(dtype=np.float64)
    sequential = sequential_srm(by_look, look_share, concentration=prior_units)
    last = np.isfinite(sequential.p_value).sum(axis=-1) - 1
    at_last = (np.arange(len(exp_ids)), np.maximum(last, 0))
    return {"statistic": sequential.log_bayes_factor[at_last], "p_value": sequential.p_value[at_last]}


def check_balance(comparisons: pd.DataFrame) -> pd.DataFrame:
    """Test whether the arms differed in each metric's covariate before the experiment.

    Parameters
    ----------
    comparisons : DataFrame
        Rows of the model ``comparison``.

    Returns
    -------
    DataFrame
        One row per comparison whose covariate varies: ``exp_id, metric_id, variant_id, statistic, p_value`` of Welch's
        t test (cluster-robust where clusters were assigned).
    """
    table = Comparisons(comparisons)
    arms = [table.of_arm(arm, "mean_covariate", "var_covariate", "n") for arm in ARMS]
    plain = welch_t(*arms[0], *arms[1])
    robust = [table.number(f"cluster_var_covariate_{arm}") / own[2] for arm, own in zip(ARMS, arms, strict=True)]
    clustered = table.flag("is_clustered")
    by_cluster = wald(plain.effect, np.sqrt(robust[0] + robust[1]), cluster_df(table))
    result = comparisons[["exp_id", "metric_id", "variant_id"]].assign(
        statistic=np.where(clustered, by_cluster.statistic, plain.statistic),
        p_value=np.where(clustered, by_cluster.p_value, plain.p_value),
    )
    return result[np.isfinite(result["p_value"])].reset_index(drop=True)


def _position(table: pd.DataFrame, within: list[str], column: str) -> NDArray[np.intp]:
    """Rank of each value of a column among the values of its group, from 0."""
    return (table.groupby(within)[column].rank(method="dense").to_numpy() - 1).astype(np.intp)
