"""The model `experiments__power`: what a frame of comparisons joins with what the plan says of each."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pandas as pd

MODEL = Path(__file__).resolve().parents[3] / "models" / "inference" / "experiments__power.py"


def power_of(effect: pd.DataFrame, comparison: pd.DataFrame) -> pd.DataFrame:
    """Run the model on the given tables."""
    spec = importlib.util.spec_from_file_location("experiments__power", MODEL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    tables = {"experiments__effect": effect, "experiments__comparison": comparison}
    dbt = SimpleNamespace(config=lambda **_: None, ref=lambda name: SimpleNamespace(df=lambda: tables[name].copy()))
    return module.model(dbt, None)


def test_every_segment_is_judged_by_its_own_plan():
    """Two segments of one metric are two rows: joined on fewer keys than the grain has, they would be four."""
    keys = {"exp_id": "e", "metric_id": "m", "variant_id": "t", "population": "assigned"}
    cells = [("all", "all", 0.10), ("country", "FI", 0.20), ("country", "SE", 0.40)]
    effect = pd.DataFrame(
        [
            {**keys, "dimension": dimension, "segment": segment, "is_headline": True, "effect_se": 0.05,
             "mean_control": 1.0, "n_control": 100, "n_treatment": 100}
            for dimension, segment, _ in cells
        ]
    )  # fmt: skip
    comparison = pd.DataFrame(
        [
            {**keys, "dimension": dimension, "segment": segment, "alpha": 0.05, "power": 0.8,
             "alternative": "two_sided", "mde": mde, "effect_scale": "relative"}
            for dimension, segment, mde in cells
        ]
    )  # fmt: skip
    others = [effect.assign(population="exposed"), effect.assign(is_headline=False)]
    found = power_of(pd.concat([effect, *others]), pd.concat([comparison, comparison.assign(population="exposed")]))
    got = found[["population", "dimension", "segment", "mde_absolute"]].to_numpy().tolist()
    assert got == [["assigned", *cell] for cell in cells]
