"""The benchmark of quantiles and bootstraps, on data small enough to sort."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def quantile_run():
    """Import the script, which is not in a package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module("quantile_run")
    sys.modules.pop("quantile_run", None)


@pytest.mark.parametrize("units", [3_000, 200_000])
def test_queries_fetch_what_a_sort_and_a_sum_of_everything_give(quantile_run, units):
    connection = quantile_run.connect(units, 1)
    rows = connection.execute("select variant_key, value from unit").fetchnumpy()
    windows, buckets = quantile_run.fetch_windows(connection), quantile_run.fetch_buckets(connection)
    connection.close()
    assert len(windows) == 2
    for arm, window in enumerate(windows):
        value = np.sort(rows["value"][rows["variant_key"] == arm])
        assert window.n == len(value)
        np.testing.assert_array_equal(window.values, value[window.first_rank - 1 :][: len(window.values)])
        assert buckets[arm, :, 1].sum() == len(value)
        assert buckets[arm, :, 0].sum() == pytest.approx(np.minimum(value, quantile_run.CAP).sum())


def test_report_has_a_cost_of_every_step_and_sensible_results(quantile_run):
    report = quantile_run.measure(20_000, 1)
    for step in ("scan", "order_statistics", "buckets", "p99", "bootstrap"):
        assert report[f"{step}_seconds"] > 0
        assert report[f"{step}_cpu_seconds"] > 0
    assert report["p99_low"] <= report["p99_effect"] <= report["p99_high"]
    assert report["bootstrap_low"] < report["bootstrap_effect"] < report["bootstrap_high"]
