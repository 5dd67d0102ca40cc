"""Cluster rows to moments per cell: against direct sums, and the cells that have no number."""

from __future__ import annotations

from math import fsum

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from python_stats.clusters.totals import cell_sum, cluster_mean_moments, cluster_moments

SIZE = np.array([10.0, 20.0, 30.0, 5.0, 40.0, 25.0])
TOTAL = np.array([1.0, 4.0, 10.0, 3.0, 7.0, 12.0])
SESSIONS = np.array([15.0, 50.0, 41.0, 9.0, 66.0, 30.0])
PRE = np.array([2.0, 3.0, 9.0, 4.0, 8.0, 11.0])
ONE = np.zeros(6, dtype=int)


def rows(rng: np.random.Generator, cells: int, clusters: int) -> dict[str, np.ndarray]:
    """Cluster rows of several cells, in random order."""
    cell = rng.permutation(np.repeat(np.arange(cells), clusters))
    size = rng.integers(1, 60, cell.size).astype(float)
    return {
        "cell": cell,
        "size": size,
        "numerator": size * rng.normal(1.0, 0.5, cell.size),
        "denominator": size * rng.uniform(1.0, 3.0, cell.size),
        "covariates": size[:, None] * rng.normal(2.0, 1.0, (cell.size, 2)),
    }


def test_moments_are_the_sums_that_the_module_documents():
    m = cluster_moments(ONE, SIZE, TOTAL)
    r, s = TOTAL.sum() / SIZE.sum(), SIZE / SIZE.sum()
    e, w = TOTAL - r * SIZE, 1 / (1 - s)
    assert m.n[0] == 130
    assert m.clusters[0] == 6
    assert m.value[0, 0] == pytest.approx(r, rel=1e-14)
    for power, got in ((0, m.cr0), (1, m.cr2), (2, m.cr3)):
        assert got[0, 0, 0] == pytest.approx(np.sum(w**power * e**2) / 130**2, rel=1e-12)
    assert m.trace_squared_cr2[0] == pytest.approx(
        np.sum(s**2) + np.sum(w * s**2) ** 2 - np.sum((w * s**2) ** 2), rel=1e-13
    )
    assert m.trace_cr3[0] == pytest.approx(np.sum(w * s), rel=1e-13)
    assert m.trace_squared_cr3[0] == pytest.approx(
        np.sum((w * s) ** 2) + np.sum((w * s) ** 2) ** 2 - np.sum((w * s) ** 4), rel=1e-13
    )
    assert m.cr1[0, 0, 0] == pytest.approx(m.cr0[0, 0, 0] * 6 / 5, rel=1e-14)
    whole = np.sum(s**2)
    assert m.level_cr2[0] == pytest.approx(np.sum(w * s**2 * (1 - 2 * s + whole)), rel=1e-13)
    pairs = np.outer(w * s**2, w * s**2) * (whole - s[:, None] - s) ** 2
    np.fill_diagonal(pairs, (w * s**2 * (1 - 2 * s + whole)) ** 2)
    assert m.level_squared_cr2[0] == pytest.approx(pairs.sum(), rel=1e-12)


def test_a_ratio_takes_residuals_and_leverage_from_its_denominator():
    m = cluster_moments(ONE, SIZE, TOTAL, SESSIONS)
    r, s = TOTAL.sum() / SESSIONS.sum(), SESSIONS / SESSIONS.sum()
    e = TOTAL - r * SESSIONS
    assert m.n[0] == 130
    assert m.denominator[0] == SESSIONS.sum()
    assert m.cr0[0, 0, 0] == pytest.approx(np.sum(e**2) / SESSIONS.sum() ** 2, rel=1e-12)
    assert m.cr2[0, 0, 0] == pytest.approx(np.sum(e**2 / (1 - s)) / SESSIONS.sum() ** 2, rel=1e-12)


def test_covariance_with_covariates_is_that_of_linear_combinations():
    theta = np.array([0.7, -0.2])
    covariates = np.column_stack([PRE, SIZE * 0.3 + PRE**2])
    m = cluster_moments(ONE, SIZE, TOTAL, covariates=covariates)
    direct = cluster_moments(ONE, SIZE, TOTAL - covariates @ theta)
    contrast = np.concatenate([[1.0], -theta])
    for name in ("cr0", "cr2", "cr3"):
        assert contrast @ getattr(m, name)[0] @ contrast == pytest.approx(getattr(direct, name)[0, 0, 0], rel=1e-11)
    assert m.value[0] @ contrast == pytest.approx(direct.value[0, 0], rel=1e-13)


def test_a_covariate_with_its_own_denominator_is_a_ratio_of_sums():
    m = cluster_moments(ONE, SIZE, TOTAL, SESSIONS, PRE, SESSIONS + 3)
    x = PRE.sum() / (SESSIONS + 3).sum()
    influence = np.array(
        [
            (TOTAL - TOTAL.sum() / SESSIONS.sum() * SESSIONS) / SESSIONS.sum(),
            (PRE - x * (SESSIONS + 3)) / (SESSIONS + 3).sum(),
        ]
    )
    assert m.value[0, 1] == pytest.approx(x, rel=1e-14)
    np.testing.assert_allclose(m.cr0[0], influence @ influence.T, rtol=1e-12)


def test_all_cells_at_once_equal_one_at_a_time_in_any_order():
    data = rows(np.random.default_rng(3), cells=5, clusters=7)
    together = cluster_moments(**data)
    means = cluster_mean_moments(data["cell"], data["size"], data["numerator"])
    for number in range(5):
        own = np.flatnonzero(data["cell"] == number)[::-1]
        alone = cluster_moments(0 * own, **{key: value[own] for key, value in data.items() if key != "cell"})
        for one, many in zip(alone, together, strict=True):
            np.testing.assert_allclose(one[0], many[number], rtol=1e-11)
        alone = cluster_mean_moments(0 * own, data["size"][own], data["numerator"][own])
        for one, many in zip(alone, means, strict=True):
            np.testing.assert_allclose(one[0], many[number], rtol=1e-11)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    shift=st.floats(-1e3, 1e3, allow_nan=False),
    scale=st.floats(1e-3, 1e3).map(lambda x: -x),
)
def test_shifting_the_outcome_moves_the_mean_only_and_scaling_squares(seed: int, shift: float, scale: float):
    data = rows(np.random.default_rng(seed), cells=2, clusters=5)
    for base in ("size", "denominator"):
        kept = {"cell": data["cell"], "size": data["size"], "denominator": data[base]}
        before = cluster_moments(numerator=data["numerator"], **kept)
        after = cluster_moments(numerator=scale * (data["numerator"] + shift * data[base]), **kept)
        np.testing.assert_allclose(after.value, scale * (before.value + shift), rtol=1e-9, atol=1e-9 * abs(scale))
        for name in ("cr0", "cr2", "cr3"):
            np.testing.assert_allclose(getattr(after, name), scale**2 * getattr(before, name), rtol=1e-7)
        np.testing.assert_array_equal(after.trace_squared_cr2, before.trace_squared_cr2)


@pytest.mark.parametrize("base", [SIZE, SESSIONS], ids=["per unit", "ratio"])
def test_a_mean_of_1e7_with_deviation_of_a_tenth_keeps_its_variance(base: np.ndarray):
    noise = np.array([0.1, -0.1, 0.05, -0.2, 0.15, 0.0]) * base
    near = cluster_moments(ONE, SIZE, noise, base, PRE)
    far = cluster_moments(ONE, SIZE, noise + 1e7 * base, base, PRE + 1e7 * SIZE)
    for name in ("cr0", "cr2", "cr3"):
        np.testing.assert_allclose(getattr(far, name), getattr(near, name), rtol=1e-6)
    means = cluster_mean_moments(ONE, SIZE, noise + 1e7 * base, base)
    assert means.var[0] == pytest.approx(np.var(noise / base, ddof=1), rel=1e-6)


def test_a_hundred_thousand_clusters_keep_every_digit_of_the_mean():
    size = np.random.default_rng(1).integers(1, 99, 100_000).astype(float)
    total = 1e7 * size + np.sin(np.arange(size.size))
    index = np.zeros(size.size, dtype=int)
    assert cluster_moments(index, size, total).value[0, 0] == pytest.approx(fsum(total) / fsum(size), rel=1e-15)
    means = cluster_mean_moments(index, size, total)
    assert means.mean[0] == pytest.approx(fsum(total / size) / size.size, rel=1e-15)


@pytest.mark.parametrize("constant", [0.1, 1 / 3, 1.1, 0.7, 1e7 + 0.1])
@pytest.mark.parametrize("seed", range(3))
def test_a_constant_metric_has_variance_zero_not_rounding(constant: float, seed: int):
    size = np.random.default_rng(seed).integers(1, 99, 40).astype(float)
    index = np.zeros(40, dtype=int)
    m = cluster_moments(index, size, constant * size, covariates=size + np.arange(40))
    assert m.cr0[0, 0, 0] == m.cr2[0, 0, 0] == m.cr3[0, 0, 0] == 0.0
    assert m.cr0[0, 0, 1] == 0.0
    assert m.cr0[0, 1, 1] > 0.0
    assert cluster_mean_moments(index, size, constant * size).var[0] == 0.0


@pytest.mark.parametrize(
    ("size", "numerator", "denominator"),
    [
        ([5.0], [2.0], None),
        ([5.0, 0.0], [2.0, 0.0], None),
        ([5.0, 7.0], [2.0, 1.0], [9.0, 0.0]),
        ([5.0, 7.0], [2.0, 1.0], [0.0, 0.0]),
        ([5.0, 7.0], [2.0, np.nan], None),
        ([5.0, np.nan], [2.0, 1.0], None),
        ([5.0, -1.0], [2.0, 1.0], None),
        ([5.0, 7.0], [2.0, np.inf], None),
    ],
    ids=[
        "one cluster",
        "empty cluster",
        "leverage 1",
        "no denominator",
        "nan",
        "nan size",
        "negative size",
        "infinite",
    ],
)
def test_a_cell_without_a_variance_is_nan_and_leaves_its_neighbour_alone(size, numerator, denominator):
    cell = np.concatenate([np.zeros(len(size), dtype=int), ONE + 1])
    base = np.concatenate([size if denominator is None else denominator, SIZE])
    m = cluster_moments(cell, np.concatenate([size, SIZE]), np.concatenate([numerator, TOTAL]), base)
    good = cluster_moments(ONE, SIZE, TOTAL)
    for name in ("cr0", "cr2", "cr3"):
        assert np.isnan(getattr(m, name)[0]).all()
        assert getattr(m, name)[1] == getattr(good, name)[0]
    if not any(np.isnan(numerator)) and not any(np.isinf(numerator)):
        assert np.isnan(m.trace_squared_cr2[0])
        assert np.isnan(m.trace_cr3[0])
    assert m.trace_squared_cr2[1] == good.trace_squared_cr2[0]


def test_a_negative_denominator_total_has_cr0_but_no_leverage():
    m = cluster_moments(ONE, SIZE, TOTAL, np.array([15.0, -5.0, 41.0, 9.0, 66.0, 30.0]))
    assert m.cr0[0, 0, 0] > 0.0
    for got in (m.cr2, m.cr3, m.trace_squared_cr2, m.trace_cr3, m.trace_squared_cr3):
        assert np.isnan(got).all()


def test_a_cluster_of_zeros_counts_and_a_cluster_without_units_does_not():
    zeros = cluster_moments([0] * 7, np.append(SIZE, 12.0), np.append(TOTAL, 0.0))
    assert zeros.clusters[0] == 7
    assert zeros.n[0] == 142
    assert zeros.value[0, 0] == pytest.approx(TOTAL.sum() / 142)
    empty = cluster_moments([0] * 7, np.append(SIZE, 0.0), np.append(TOTAL, 0.0))
    for got, want in zip(empty, cluster_moments(ONE, SIZE, TOTAL), strict=True):
        np.testing.assert_array_equal(got, want)
    means = cluster_mean_moments([0] * 7, np.append(SIZE, 0.0), np.append(TOTAL, 0.0))
    assert means.clusters[0] == 6
    assert means.var[0] == pytest.approx(np.var(TOTAL / SIZE, ddof=1))


def test_cells_without_rows_are_nan_and_no_rows_at_all_are_no_cells():
    m = cluster_moments(ONE, SIZE, TOTAL, cells=3)
    assert m.clusters.tolist() == [6, 0, 0]
    assert np.isnan(m.value[1:]).all()
    assert np.isnan(m.cr2[1:]).all()
    nothing = cluster_moments([], [], [])
    assert nothing.cr0.shape == (0, 1, 1)
    assert cluster_moments([], [], [], covariates=[], covariate_denominators=[]).cr0.shape == (0, 2, 2)
    assert cluster_mean_moments([], [], [], cells=2).clusters.tolist() == [0, 0]


def test_sums_keep_a_nan_in_its_cell():
    assert cell_sum(np.array([1.0, np.nan, 2.0]), np.array([0, 1, 0]), 2).tolist()[0] == 3.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"numerator": TOTAL[:-1]}, "numerator must have one row per cluster"),
        ({"cell": ONE - 1}, "must not be negative"),
        ({"cell": ONE.astype(float)}, "integers"),
        ({"cell": ONE[:, None]}, "one-dimensional"),
        ({"cell": ONE + 4, "cells": 3}, "cells is 3"),
    ],
)
def test_columns_of_different_rows_are_refused_in_words(change, message):
    arguments = {"cell": ONE, "size": SIZE, "numerator": TOTAL} | change
    with pytest.raises(ValueError, match=message):
        cluster_moments(**arguments)


@pytest.mark.parametrize("reduce", [cluster_moments, cluster_mean_moments])
def test_a_cluster_without_units_is_left_out_whatever_its_totals(reduce):
    cell, size, numerator, denominator = [0, 0, 0, 1, 1], [10.0, 20.0, 30.0, 5.0, 6.0], [1.0, 4.0, 10.0, 2.0, 3.0], None
    want = reduce(cell, size, numerator, denominator)
    for total in (99.0, np.nan):
        got = reduce([*cell, 0], [*size, 0.0], [*numerator, total], denominator)
        for field in want._fields:
            np.testing.assert_array_equal(getattr(got, field), getattr(want, field), err_msg=field)
    # A ratio too, though its own denominator is not zero there.
    base = [9.0, 8.0, 7.0, 6.0, 5.0]
    want, got = reduce(cell, size, numerator, base), reduce([*cell, 1], [*size, 0.0], [*numerator, 7.0], [*base, 3.0])
    for field in want._fields:
        np.testing.assert_array_equal(getattr(got, field), getattr(want, field), err_msg=field)
