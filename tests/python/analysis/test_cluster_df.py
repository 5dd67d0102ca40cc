"""Degrees of freedom from the columns of a comparison."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from python_stats.analysis.estimators.cluster_df import cluster_df, cluster_level_df
from python_stats.analysis.table.comparisons import Comparisons


@pytest.fixture
def table() -> Comparisons:
    frame = pd.DataFrame(
        {
            "metric_type": ["mean", "ratio", "ratio", "mean"],
            "n_control": 100, "n_treatment": 300,
            "mean_denominator_control": [np.nan, 6.0, 0.0, np.nan], "mean_denominator_treatment": [np.nan, 2.0, 2.0, 1],
            "satterthwaite_trace_control": [0.25, 0.25, 0.25, None], "satterthwaite_trace_treatment": 0.5,
            "cluster_level_control": [0.2, 0.2, 0.2, None], "cluster_level_treatment": 0.3,
            "cluster_level_trace_control": [0.01, 0.01, 0.01, None], "cluster_level_trace_treatment": 0.04,
        }
    )  # fmt: skip
    return Comparisons(frame)


def test_a_mean_weighs_its_units_and_a_ratio_its_denominator(table):
    got = cluster_df(table)
    assert got[0] == pytest.approx((1 / 100 + 1 / 300) ** 2 / (0.25 / 100**2 + 0.5 / 300**2))
    # Both arms have a denominator of 600: the mean of the traces decides.
    assert got[1] == pytest.approx(4 / 0.75)
    assert np.isnan(got[2:]).all()


def test_clusters_as_wholes_weigh_alike_for_means_and_ratios(table):
    got = cluster_level_df(table)
    np.testing.assert_allclose(got[:3], 0.5**2 / 0.05)
    assert np.isnan(got[3])


def test_no_comparisons_have_no_degrees_of_freedom(table):
    assert cluster_df(table.take(np.arange(0))).shape == cluster_level_df(table.take(np.arange(0))).shape == (0,)
