"""The comparisons as the package ships them: simulated moments in the frame of the dbt models, through their code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.typing import NDArray

from python_stats.analysis.estimators.effect_skewness import TRIPLES
from python_stats.analysis.estimators.register import from_moments
from python_stats.analysis.judgement.headline import mark_headline
from python_stats.analysis.settings import DEFAULTS
from python_stats.analysis.table.arms import VARIABLES
from python_stats.analysis.table.comparisons import Comparisons
from python_stats.analysis.table.estimate_rows import frame_of
from python_stats.moments import Moments
from python_stats.simulation.trials import ALPHA, Trials, answers

FloatArray = NDArray[np.float64]

# What an estimate is scored by.
SCORED = ("p_value", "effect_ci_low", "effect_ci_high", "lift_ci_low", "lift_ci_high")


class Clusters(NamedTuple):
    """What the model ``cluster_moment`` adds to an arm's moments.

    Attributes
    ----------
    count : ndarray
        Clusters of the arm.
    trace, level, level_trace : ndarray
        ``satterthwaite_trace``, ``cluster_level`` and ``cluster_level_trace``.
    triples : mapping of str to ndarray
        Sums of products of three residual totals, by their column.
    cov : ndarray, shape (..., k, k)
        Effective covariances, n times the CR2 covariances of the means.
    """

    count: FloatArray
    trace: FloatArray
    level: FloatArray
    level_trace: FloatArray
    cov: FloatArray
    triples: Mapping[str, FloatArray]

    def at(self, index: slice) -> Clusters:
        """Return the clusters of these cells."""
        triples = {name: sums[index] for name, sums in self.triples.items()}
        return Clusters(*(part[index] for part in self[:-1]), triples)


def comparison_frame(
    control: Moments,
    treatment: Moments,
    variables: tuple[str, ...],
    *,
    metric_type: str = "mean",
    alternative: str = "two_sided",
    clusters: tuple[Clusters, Clusters] | None = None,
    triples: tuple[Mapping[str, npt.ArrayLike], Mapping[str, npt.ArrayLike]] | None = None,
) -> pd.DataFrame:
    """Lay out the moments of both arms as rows of the model ``look_comparison``, one per replication and look.

    Parameters
    ----------
    control, treatment : Moments, shape (replications,) or (replications, looks)
        Moments of the variables of each arm.
    variables : tuple of str
        Names of the moments' variables, among `VARIABLES`; the others are missing.
    metric_type, alternative : str
        The plan.
    clusters : pair of Clusters, optional
        Of control and treatment, where clusters were assigned.
    triples : pair of mapping of str to array_like, optional
        Sums of products of three variables in control and treatment, by their column, of the shape of the moments'
        ``n``: `triple_sums`. Without them nothing is known of the skewness.
    """
    rows = control.n.size
    looks = control.n.shape[1] if control.n.ndim > 1 else 1
    experiment = np.repeat(np.arange(rows // looks), looks).astype(str)
    look = np.tile(np.arange(looks), rows // looks)
    control, treatment = (_flat(arm) for arm in (control, treatment))
    columns: dict[str, npt.ArrayLike] = {
        "exp_id": experiment, "metric_id": "simulated", "variant_id": "treatment",
        "population": "assigned", "dimension": "all", "segment": "all",
        "look_date": np.datetime64("2026-01-01", "us") + look * np.timedelta64(86_400_000_000, "us"),
        "look_number": look + 1, "plan_key": experiment, "control_variant_id": "control", "role": "primary",
        "metric_type": metric_type, "alternative": alternative, "effect_scale": "absolute", "estimator": None,
        "alpha": ALPHA, "issue": None, "is_clustered": clusters is not None, "is_last_look": look == looks - 1,
    }  # fmt: skip
    for i, (arm, moments) in enumerate((("control", control), ("treatment", treatment))):
        own = None if clusters is None else clusters[i]
        columns[f"n_{arm}"] = moments.n
        sums = triples[i] if triples is not None else {}
        for name in {name for names in TRIPLES.values() for name in names}:
            columns[f"{name}_{arm}"] = np.broadcast_to(np.ravel(sums.get(name, np.nan)), (rows,))
            totals = np.nan if own is None else own.triples.get(name, np.nan)
            columns[f"cluster_{name}_{arm}"] = np.broadcast_to(np.ravel(totals), (rows,))
        columns[f"clusters_{arm}"] = np.nan if own is None else own.count
        columns[f"satterthwaite_trace_{arm}"] = np.nan if own is None else own.trace
        columns[f"cluster_level_{arm}"] = np.nan if own is None else own.level
        columns[f"cluster_level_trace_{arm}"] = np.nan if own is None else own.level_trace
        for a, first in enumerate(VARIABLES):
            known = first in variables
            columns[f"mean_{first}_{arm}"] = moments.mean[..., variables.index(first)] if known else np.nan
            for second in VARIABLES[a:]:
                name = f"var_{first}" if first == second else f"cov_{first}_{second}"
                both = known and second in variables
                at = (..., variables.index(first), variables.index(second)) if both else None
                columns[f"{name}_{arm}"] = np.nan if at is None else moments.cov[at]
                columns[f"cluster_{name}_{arm}"] = np.nan if at is None or own is None else own.cov[at]
    return pd.DataFrame(columns, index=range(rows))


def _flat(arm: Moments) -> Moments:
    k = arm.mean.shape[-1]
    return Moments(arm.n.reshape(-1), arm.mean.reshape(-1, k), arm.cov.reshape(-1, k, k))


def headline(frame: pd.DataFrame) -> pd.DataFrame:
    """Estimate a frame of comparisons from its moments, and mark the headline of each."""
    table = Comparisons(frame)
    return frame_of(mark_headline(from_moments(table, DEFAULTS), table))


def shipped(
    frame: pd.DataFrame,
    truth: npt.ArrayLike | None = None,
    lift_truth: npt.ArrayLike | None = None,
    *,
    with_headline: bool = False,
) -> dict[str, Trials]:
    """Estimate a frame of comparisons by everything the package would run on its moments.

    Parameters
    ----------
    frame : DataFrame
        As from `comparison_frame`.
    truth, lift_truth : array_like, optional
        The effect and the lift that were simulated.
    with_headline : bool, default False
        Whether to add the row ``headline``: the estimate that the package itself would pick.

    Returns
    -------
    dict of str to Trials
        By name of the estimator; NaN where it was not offered, had a status instead of a test, or a corrected estimate
        beside it.
    """
    estimates = headline(frame)
    picked = estimates[estimates["is_headline"]].assign(estimator="headline")
    # An estimate that has a corrected one beside it is not what the marts go by.
    corrected = estimates["estimator"].str.endswith("_corrected")
    replaced = pd.MultiIndex.from_arrays(
        [estimates.loc[corrected, "exp_id"], estimates.loc[corrected, "estimator"].str.removesuffix("_corrected")]
    )
    beside = pd.MultiIndex.from_frame(estimates[["exp_id", "estimator"]]).isin(replaced)
    estimates.loc[beside, [*SCORED]] = np.nan
    result = by_estimator(estimates, frame, truth, lift_truth)
    if with_headline:
        result.update(by_estimator(picked, frame, truth, lift_truth))
    return result


def by_estimator(
    estimates: pd.DataFrame,
    frame: pd.DataFrame,
    truth: npt.ArrayLike | None = None,
    lift_truth: npt.ArrayLike | None = None,
) -> dict[str, Trials]:
    """Score rows of estimates, as the modules of `python_stats.analysis` return them, by estimator.

    Parameters
    ----------
    estimates : DataFrame
        At most one row per comparison and estimator.
    frame : DataFrame
        The comparisons that were asked for; those without a row count as refused.
    truth, lift_truth : array_like, optional
        The effect and the lift that were simulated.
    """
    place = pd.Index(frame["exp_id"]).get_indexer(estimates["exp_id"])
    estimates = estimates.reindex(columns=["estimator", *SCORED])
    results = {}
    for name in estimates["estimator"].unique():
        rows = (estimates["estimator"] == name).to_numpy()
        values = np.full((len(SCORED), len(frame)), np.nan)
        values[:, place[rows]] = estimates.loc[rows, [*SCORED]].to_numpy(dtype=np.float64, na_value=np.nan).T
        p, low, high, lift_low, lift_high = values
        results[name] = answers(p, (low, high), truth, (lift_low, lift_high), lift_truth)
    return results


def arm_rows(**columns: tuple[npt.ArrayLike, npt.ArrayLike]) -> pd.DataFrame:
    """Lay out a moment table with one row per replication and arm.

    Parameters
    ----------
    **columns : pair of array_like
        Values of control and treatment, per replication or one for all.
    """
    parts = []
    for i, variant in enumerate(("control", "treatment")):
        own = {name: np.asarray(pair[i], dtype=np.float64) for name, pair in columns.items()}
        rows = max(column.size for column in own.values())
        part = {name: np.broadcast_to(column, (rows,)) for name, column in own.items()}
        parts.append(pd.DataFrame({"plan_key": np.arange(rows).astype(str), "variant_id": variant, **part}))
    return pd.concat(parts, ignore_index=True)
