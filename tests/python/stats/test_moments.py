"""Moments: digits on the NIST univariate sets, and the algebra of cells."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from python_stats.moments import (
    Moments,
    linear_combination,
    merge,
    merge_all,
    merge_groups,
    merge_running,
    moments_from_columns,
    moments_of,
    with_zeros,
)


def pairs_around(first: float, low: float, high: float) -> np.ndarray:
    return np.concatenate([[first], np.tile([low, high], 500)])


# NIST Statistical Reference Datasets, univariate: certified mean and standard deviation, and the digits of the standard
# deviation that double precision leaves (the data of NumAcc3 and NumAcc4 are themselves rounded when they are read).
NIST = {
    "NumAcc1": (np.array([10000001.0, 10000003.0, 10000002.0]), 10000002.0, 1.0, 14),
    "NumAcc2": (pairs_around(1.2, 1.1, 1.3), 1.2, 0.1, 13),
    "NumAcc3": (pairs_around(1000000.2, 1000000.1, 1000000.3), 1000000.2, 0.1, 9),
    "NumAcc4": (pairs_around(10000000.2, 10000000.1, 10000000.3), 10000000.2, 0.1, 8),
}


def digits(got: float, certified: float) -> float:
    """Log relative error, NIST's count of correct digits, capped at 15."""
    error = abs(got - certified) / abs(certified)
    return 15.0 if error == 0 else min(15.0, -np.log10(error))


def whole(x: np.ndarray) -> Moments:
    return moments_of(x)


def one_unit_at_a_time(x: np.ndarray) -> Moments:
    total = moments_of(x[:1])
    for value in x[1:]:
        total = total + moments_of([value])
    return total


def blocks(x: np.ndarray) -> Moments:
    return moments_of(np.array_split(x, min(len(x), 37)))


ROUTES = {
    "moments_of": whole,
    "merge, one unit at a time": one_unit_at_a_time,
    "merge_all of blocks": lambda x: merge_all(blocks(x)),
    "merge_groups of blocks": lambda x: merge_groups(blocks(x), np.zeros(len(blocks(x).n), dtype=int))[0],
    "merge_running of blocks": lambda x: merge_running(blocks(x))[-1],
    "two cells": lambda x: merge(*moments_of([x[: len(x) // 3], x[len(x) // 3 :]])),
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("name", NIST)
def test_nist_digits(name, route):
    x, mean, sd, wanted = NIST[name]
    got = ROUTES[route](x)
    assert got.n == len(x)
    assert digits(float(got.mean[0]), mean) >= 14
    assert digits(float(np.sqrt(got.var[0])), sd) >= wanted


def test_the_mean_of_values_whose_sum_is_beyond_double_precision():
    """A sum near 1e18 is rounded to multiples of 128; the offset must be taken off before anything is added up."""
    x = 1e15 + np.arange(1001.0)
    for moments in (moments_of(x), merge_all(moments_of(np.array_split(x, 7)))):
        assert moments.mean[0] == 1e15 + 500
        np.testing.assert_allclose(moments.var[0], np.var(np.arange(1001.0), ddof=1), rtol=1e-13)


def test_raw_sums_of_squares_would_fail_on_numacc4():
    """The check above can fail: the textbook formula has no digit left."""
    x, _, sd, wanted = NIST["NumAcc4"]
    variance = (np.sum(x**2) - np.sum(x) ** 2 / len(x)) / (len(x) - 1)
    assert digits(np.sqrt(abs(variance)), sd) < wanted


def assert_same(a: Moments, b: Moments, rtol: float = 1e-10, atol: float = 1e-12) -> None:
    np.testing.assert_allclose(a.n, b.n)
    np.testing.assert_allclose(a.mean, b.mean, rtol=rtol, atol=atol)
    np.testing.assert_allclose(a.cov, b.cov, rtol=rtol, atol=atol)


def test_moments_of_agrees_with_numpy_cov():
    x = np.random.default_rng(1).normal(size=(40, 3)) @ np.array([[1, 2, 0], [0, 1, 1], [0, 0, 3]])
    got = moments_of(x)
    np.testing.assert_allclose(got.cov, np.cov(x.T))
    np.testing.assert_allclose(got.mean, x.mean(axis=0))
    np.testing.assert_allclose(got.var, x.var(axis=0, ddof=1))


def test_cells_of_equal_size_are_an_array():
    x = np.random.default_rng(2).normal(size=(5, 7, 30, 2))
    got = moments_of(x)
    assert got.n.shape == (5, 7)
    assert_same(got[3, 4], moments_of(x[3, 4]))


sizes = st.lists(st.integers(0, 6), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(sizes=sizes, k=st.integers(1, 3), offset=st.sampled_from([0.0, -1e3, 1e6]), seed=st.integers(0, 2**31))
def test_merging_cells_is_pooling_their_units(sizes, k, offset, seed):
    rng = np.random.default_rng(seed)
    cells = [rng.normal(size=(size, k)) + offset for size in sizes]
    pooled = moments_of(np.concatenate(cells))
    moments = moments_of(cells)
    tolerance = {"rtol": 1e-9, "atol": 1e-9}
    assert_same(merge_all(moments), pooled, **tolerance)
    assert_same(merge_running(moments)[-1], pooled, **tolerance)
    assert_same(merge_groups(moments, np.full(len(sizes), 2))[2], pooled, **tolerance)
    total = moments[0]
    for i in range(1, len(sizes)):
        total = merge(moments[i], total)
    assert_same(total, pooled, **tolerance)


@settings(max_examples=40, deadline=None)
@given(zeros=st.integers(0, 50), size=st.integers(0, 6), seed=st.integers(0, 2**31))
def test_a_block_of_zeros_in_closed_form_is_the_zeros(zeros, size, seed):
    active = np.random.default_rng(seed).lognormal(size=(size, 2))
    wanted = moments_of(np.concatenate([active, np.zeros((zeros, 2))]))
    assert_same(with_zeros(moments_of(active), zeros), wanted)
    assert_same(merge(moments_of(active), moments_of(np.zeros((zeros, 2)))), wanted)


def test_only_zeros_have_mean_and_variance_zero():
    got = with_zeros(moments_of(np.zeros((0, 1))), [0, 1, 5])
    np.testing.assert_array_equal(got.mean[:, 0], [np.nan, 0.0, 0.0])
    np.testing.assert_array_equal(got.var[:, 0], [np.nan, np.nan, 0.0])


def test_more_rows_than_units_is_nan_and_leaves_the_other_cells_alone():
    cells = moments_of([np.array([1.0, 2.0]), np.array([1.0, 2.0])])
    got = with_zeros(cells, [-1, 2])
    assert np.isnan(got.n[0])
    assert np.isnan(got.mean[0, 0])
    assert np.isnan(got.cov[0, 0, 0])
    np.testing.assert_allclose(got.mean[1], [0.75])


def test_groups_are_the_group_by_of_the_units():
    rng = np.random.default_rng(3)
    cells = [rng.normal(size=(rng.integers(1, 9), 2)) + 1e5 for _ in range(60)]
    index = rng.integers(-1, 6, size=60)
    got = merge_groups(moments_of(cells), index, n_groups=8)
    for group in range(6):
        wanted = moments_of(np.concatenate([cell for cell, i in zip(cells, index, strict=True) if i == group]))
        assert_same(got[group], wanted, rtol=1e-9)
    np.testing.assert_array_equal(got.n[6:], 0)
    assert np.all(np.isnan(got.mean[6:]))
    assert np.all(np.isnan(got.cov[6:]))


def test_merge_all_over_one_axis_is_that_axis_cell_by_cell():
    x = np.random.default_rng(4).normal(size=(3, 4, 10, 2))
    cells = moments_of(x)
    assert_same(merge_all(cells, axis=0), moments_of(np.moveaxis(x, 0, 1).reshape(4, 30, 2)))
    assert_same(merge_all(cells, axis=-1), moments_of(x.reshape(3, 40, 2)))
    assert_same(merge_all(cells, axis=(0, 1)), moments_of(x.reshape(120, 2)))


def test_running_moments_along_an_axis_are_the_moments_up_to_each_look():
    x = np.random.default_rng(5).normal(size=(2, 6, 4, 1))
    got = merge_running(moments_of(x), axis=1)
    for look in range(6):
        assert_same(got[:, look], moments_of(x[:, : look + 1].reshape(2, -1, 1)))


def test_an_engine_that_calls_the_variance_of_one_unit_null_or_zero_makes_no_difference():
    one_null = Moments([1.0], [[7.0]], [[[np.nan]]])
    one_zero = Moments([1.0], [[7.0]], [[[0.0]]])
    other = moments_of([np.array([1.0, 2.0, 4.0])])
    for one in (one_null, one_zero):
        assert_same(merge(one, other)[0], moments_of([7.0, 1.0, 2.0, 4.0]))


def test_an_empty_cell_with_a_null_mean_changes_nothing():
    empty = Moments([0.0], [[np.nan]], [[[np.nan]]])
    other = moments_of([np.array([1.0, 2.0, 4.0])])
    for got in (merge(empty, other), merge(other, empty)):
        assert_same(got, other)
    assert_same(merge_all(Moments([0.0, 3.0], [[np.nan], other.mean[0]], [[[np.nan]], other.cov[0]])), other[0])


def test_nan_in_one_cell_stays_in_its_own_group():
    cells = moments_of([np.array([1.0, np.nan]), np.array([1.0, 2.0]), np.array([5.0, 6.0])])
    got = merge_groups(cells, [0, 0, 1])
    assert np.isnan(got.mean[0, 0])
    assert np.isnan(got.cov[0, 0, 0])
    np.testing.assert_allclose(got.mean[1], [5.5])


@settings(max_examples=30, deadline=None)
@given(shift=st.floats(-1e6, 1e6), scale=st.floats(0.01, 100.0), seed=st.integers(0, 2**31))
def test_shift_and_scale(shift, scale, seed):
    x = np.random.default_rng(seed).normal(size=(20, 2))
    base, moved = moments_of(x), moments_of(scale * x + shift)
    np.testing.assert_allclose(moved.mean, scale * base.mean + shift, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(moved.cov, scale**2 * base.cov, rtol=1e-6, atol=1e-9)


def test_linear_combination_is_that_of_the_units():
    rng = np.random.default_rng(6)
    x = rng.normal(size=(4, 15, 3))
    weights = rng.normal(size=(4, 2, 3))
    got = linear_combination(moments_of(x), weights)
    assert_same(got, moments_of(np.einsum("cmk,cuk->cum", weights, x)))
    row = linear_combination(moments_of(x), [1.0, -2.0, 0.5])
    assert_same(row, moments_of((x @ np.array([1.0, -2.0, 0.5]))[..., None]))


def test_a_variable_with_weight_zero_takes_no_part_even_when_it_is_nan():
    m = Moments([5.0], [[1.0, np.nan]], [[[2.0, np.nan], [np.nan, np.nan]]])
    np.testing.assert_allclose(linear_combination(m, [3.0, 0.0]).mean, [[3.0]])
    np.testing.assert_allclose(linear_combination(m, [3.0, 0.0]).cov, [[[18.0]]])
    assert np.isnan(linear_combination(m, [3.0, 1.0]).mean[0, 0])


def test_columns_of_a_moment_table():
    x = np.random.default_rng(7).normal(size=(6, 20, 3))
    m = moments_of(x)
    triangle = [[m.cov[:, i, j] for j in range(i + 1)] for i in range(3)]
    assert_same(moments_from_columns(m.n, [m.mean[:, i] for i in range(3)], triangle), m)


def test_select_reorders_the_variables():
    x = np.random.default_rng(8).normal(size=(20, 3))
    assert_same(moments_of(x).select([2, 0]), moments_of(x[:, [2, 0]]))


def test_a_hundred_thousand_cells_at_once():
    rng = np.random.default_rng(9)
    cells = Moments(
        rng.integers(2, 50, 100_000), rng.normal(size=(100_000, 2)) + 1e6, np.broadcast_to(np.eye(2), (100_000, 2, 2))
    )
    got = merge_groups(cells, rng.integers(0, 1000, 100_000))
    assert got.mean.shape == (1000, 2)
    np.testing.assert_allclose(got.var.mean(), 2.0, rtol=0.05)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Moments([1.0, 2.0], [[1.0]], [[[1.0]]]), "shapes"),
        (lambda: moments_of(3.0), "units"),
        (lambda: moments_of([np.zeros((2, 1)), np.zeros((2, 2))]), "number of variables"),
        (lambda: moments_from_columns([1.0], [[1.0]], [[[1.0], [1.0]]]), "lower_triangle"),
        (lambda: merge_groups(moments_of([np.zeros(2)]), [0, 1]), "same length"),
        (lambda: merge_groups(moments_of([np.zeros(2)]), [0.5]), "integers"),
        (lambda: merge_groups(moments_of([np.zeros(2)]), [3], n_groups=2), "n_groups"),
        (lambda: linear_combination(moments_of([np.zeros(2)]), [1.0, 2.0]), "columns"),
    ],
)
def test_wrong_arguments_are_refused_in_words(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("second", [[3.0, 4.0], (3.0, 4.0)])
def test_a_list_that_holds_an_array_is_one_cell_per_element(second):
    """An array beside a list of the same length was read as the columns of two units."""
    got = moments_of([np.array([1.0, 2.0]), second])
    np.testing.assert_array_equal(got.n, [2.0, 2.0])
    np.testing.assert_array_equal(got.mean, [[1.5], [3.5]])
    np.testing.assert_array_equal(moments_of([second, np.array([1.0, 2.0, 6.0])]).n, [2.0, 3.0])
    # Plain lists are an array, as they are for NumPy: two units of two variables.
    np.testing.assert_array_equal(moments_of([[1.0, 2.0], [3.0, 4.0]]).mean, [2.0, 3.0])


def test_a_number_beside_an_array_is_refused_in_words():
    with pytest.raises(ValueError, match="element 1 is a single value"):
        moments_of([np.array([1.0, 2.0]), 3.0])
