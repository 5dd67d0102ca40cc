"""A programme of experiments as the frame that the inference models read: rows of ``look_comparison``."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from python_stats.analysis.estimators.effect_skewness import TRIPLES
from python_stats.analysis.table.arms import VARIABLES
from python_stats.analysis.table.comparisons import ARMS

# Metrics of an experiment in turn: type, whether it has a denominator, whether it has a pre-period.
METRICS = (("proportion", False, True), ("mean", False, True), ("ratio", True, True), ("mean", False, False))
ROLES = ("primary", "guardrail", "secondary", "secondary")
# Correlations of numerator, denominator, covariate and covariate denominator of a unit.
CORRELATION = ((1.0, 0.5, 0.6, 0.4), (0.5, 1.0, 0.4, 0.6), (0.6, 0.4, 1.0, 0.5), (0.4, 0.6, 0.5, 1.0))


def comparison_frame(
    experiments: int, *, looks: int, arms: int, seed: int, methods: tuple[str | None, ...] = (None,)
) -> pd.DataFrame:
    """Make the comparisons of many experiments with four metrics each, every tenth of them assigned by clusters.

    Parameters
    ----------
    experiments : int
        Number of experiments.
    looks : int
        Looks of every comparison.
    arms : int
        Treatments of every experiment.
    seed : int
        Of the random numbers.
    methods : tuple of str or None
        Sequential methods of the experiments, in turn; None is a fixed horizon.
    """
    rng = np.random.default_rng(seed)
    shape = (experiments, len(METRICS), arms, looks)
    experiment, metric, arm, look = (axis.ravel() for axis in np.indices(shape))
    rows = experiment.size
    kind, has_denominator, has_past = (np.array(values)[metric] for values in zip(*METRICS, strict=True))

    def named(names: list[str | None], code: NDArray[np.intp] | None = None) -> NDArray[np.object_]:
        return np.array(names, dtype=object)[np.zeros(rows, dtype=np.intp) if code is None else code]

    per_look = 500 * (look + 1)
    clustered = experiment % 10 == 0
    columns: dict[str, object] = {
        "exp_id": named([f"experiment_{i:05d}" for i in range(experiments)], experiment),
        "metric_id": named([f"metric_{i}" for i in range(len(METRICS))], metric),
        "variant_id": named([f"treatment_{i}" for i in range(arms)], arm),
        "control_variant_id": named(["control"]), "population": named(["assigned"]), "dimension": named(["all"]),
        "segment": named(["all"]), "plan_key": experiment * len(METRICS) + metric,
        "look_date": np.datetime64("2026-01-01", "us") + look * np.timedelta64(86_400_000_000, "us"),
        "look_number": look + 1, "is_last_look": look == looks - 1,
        "role": named(list(ROLES), metric), "metric_type": kind.astype(object), "alternative": named(["two_sided"]),
        "effect_scale": named(["relative"]), "estimator": named([None]), "correction": named([None]),
        "issue": named([None]), "alpha": 0.05, "mde": 0.05, "benchmark": np.nan, "period_ratio": 1.0,
        "sequential_method": named(list(methods), experiment % len(methods)), "sequential_parameter": np.nan,
        "planned_pair_units": 1_200.0 * looks, "is_clustered": clustered,
    }  # fmt: skip
    for name in ARMS:
        n = per_look + rng.integers(0, 50, rows)
        mean = 10.0 + 0.2 * rng.standard_normal((len(VARIABLES), rows))
        mean[0] = np.where(kind == "proportion", rng.binomial(n, 0.2) / n, mean[0])
        known = np.stack([np.ones(rows, dtype=bool), has_denominator, has_past, has_past & has_denominator])
        spread = np.where(known, 3.0, np.nan)
        rate = np.where(kind == "proportion", mean[0], 0.0)
        spread[0] = np.where(kind == "proportion", np.sqrt(rate * (1 - rate)), spread[0])
        columns[f"n_{name}"] = n
        for i, variable in enumerate(VARIABLES):
            columns[f"mean_{variable}_{name}"] = np.where(known[i], mean[i], np.nan)
            for j, other in enumerate(VARIABLES[i:], start=i):
                label = f"var_{variable}" if i == j else f"cov_{variable}_{other}"
                product = CORRELATION[i][j] * spread[i] * spread[j]
                columns[f"{label}_{name}"] = product
                columns[f"cluster_{label}_{name}"] = np.where(clustered, 1.5 * product, np.nan)
        columns[f"clusters_{name}"] = np.where(clustered, 100.0, np.nan)
        columns[f"satterthwaite_trace_{name}"] = np.where(clustered, 0.01, np.nan)
        columns[f"cluster_level_{name}"] = np.where(clustered, 0.01, np.nan)
        columns[f"cluster_level_trace_{name}"] = np.where(clustered, 1e-6, np.nan)
        for label in sorted({label for labels in TRIPLES.values() for label in labels}):
            there = has_denominator if "denominator" in label else has_past if "covariate" in label else known[0]
            total = np.where(there, 20.0 * rng.standard_normal(rows) * np.sqrt(n), np.nan)
            columns[f"{label}_{name}"] = total
            columns[f"cluster_{label}_{name}"] = np.where(clustered, total, np.nan)
    return pd.DataFrame(columns)
