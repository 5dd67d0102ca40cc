"""Comparisons as the model ``look_comparison`` hands them over, made from unit rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

VARIABLES = ("numerator", "denominator", "covariate", "covariate_denominator")
TRIPLES = {
    "cubes_numerator": ("numerator", "numerator", "numerator"),
    "squares_numerator_covariate": ("numerator", "numerator", "covariate"),
    "squares_covariate_numerator": ("covariate", "covariate", "numerator"),
    "cubes_covariate": ("covariate", "covariate", "covariate"),
    "squares_numerator_denominator": ("numerator", "numerator", "denominator"),
    "squares_denominator_numerator": ("denominator", "denominator", "numerator"),
    "cubes_denominator": ("denominator", "denominator", "denominator"),
}
PAIRS = [(a, b) for i, a in enumerate(VARIABLES) for b in VARIABLES[i:]]


def arm_moments(arm: str, units: dict[str, Any]) -> dict[str, float]:
    """Return the moment columns of one arm, missing where the arm has no such variable."""
    columns = {name: np.asarray(values, dtype=float) for name, values in units.items()}
    row: dict[str, float] = {f"n_{arm}": columns["numerator"].size}
    for name in VARIABLES:
        row[f"mean_{name}_{arm}"] = columns[name].mean() if name in columns else np.nan
    for a, b in PAIRS:
        label = f"var_{a}" if a == b else f"cov_{a}_{b}"
        known = a in columns and b in columns
        row[f"{label}_{arm}"] = np.cov(columns[a], columns[b])[0, 1] if known else np.nan
        row[f"cluster_{label}_{arm}"] = np.nan
    for name, triple in TRIPLES.items():
        known = all(part in columns for part in triple)
        row[f"{name}_{arm}"] = np.prod([columns[part] for part in triple], axis=0).sum() if known else np.nan
    row[f"clusters_{arm}"] = row[f"satterthwaite_trace_{arm}"] = np.nan
    row[f"cluster_level_{arm}"] = row[f"cluster_level_trace_{arm}"] = np.nan
    row |= {f"cluster_{name}_{arm}": np.nan for name in TRIPLES}
    return row


@pytest.fixture
def comparison() -> Callable[..., dict[str, Any]]:
    """``comparison(control, treatment, **plan)``: one row, from dicts of unit columns."""

    def row(control: dict[str, Any], treatment: dict[str, Any], **plan: Any) -> dict[str, Any]:
        return {
            "exp_id": "e", "metric_id": "m", "variant_id": "t", "control_variant_id": "c", "plan_key": 1,
            "population": "assigned", "dimension": "all", "segment": "all", "look_date": date(2026, 3, 30),
            "role": "primary", "metric_type": "mean", "alternative": "two_sided", "effect_scale": "relative",
            "mde": np.nan, "benchmark": np.nan, "estimator": None, "alpha": 0.05, "correction": None, "issue": None,
            "is_clustered": False, "is_last_look": True, "period_ratio": np.nan,
            **arm_moments("control", control), **arm_moments("treatment", treatment), **plan,
        }  # fmt: skip

    return row


@pytest.fixture
def frame() -> Callable[..., pd.DataFrame]:
    """``frame(row, …)``: comparisons as a table."""
    return lambda *rows: pd.DataFrame(list(rows))
