"""Roots of monotone functions on arrays."""

from __future__ import annotations

import numpy as np
import pytest

from python_stats.bisection import increasing_root


def test_every_cell_gets_its_own_root():
    target = np.array([1e-6, 0.3, 8.0, 900.0])
    np.testing.assert_allclose(
        increasing_root(lambda x: x**3 - target, 0.0, np.full(4, 10.0)), np.cbrt(target), rtol=1e-14
    )


def test_no_crossing_gives_the_nearer_limit():
    assert increasing_root(lambda x: x - 5.0, 0.0, 1.0) == 1.0
    np.testing.assert_allclose(increasing_root(lambda x: x + 5.0, 0.0, 1.0), 0.0, atol=1e-30)


def test_missing_values_stay_missing_and_stop_nobody():
    level = np.array([np.nan, 0.25])
    got = increasing_root(lambda x: x - level, np.zeros(2), np.ones(2))
    assert np.isnan(got[0])
    assert got[1] == 0.25
    assert np.isnan(increasing_root(lambda x: x, np.nan, 1.0))


def test_the_limits_themselves_are_not_evaluated():
    def guarded(x):
        assert ((x > 0) & (x < 1)).all()
        return np.log(x) + 1.0

    np.testing.assert_allclose(increasing_root(guarded, 0.0, 1.0), np.exp(-1.0), rtol=1e-14)


@pytest.mark.parametrize("shape", [(), (0,), (2, 3)])
def test_shape_is_kept(shape):
    assert increasing_root(lambda x: x - 0.5, np.zeros(shape), np.ones(shape)).shape == shape
