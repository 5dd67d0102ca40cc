"""t statistics on the normal scale: the same tail on both sides, there and back."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr, stdtr
from scipy.stats import norm, t

from python_stats.normal_scale import t_of_z, z_of_t

DF = np.array([1.0, 2.5, 7.0, 40.0, 1000.5, 1e7])[:, None]


def test_tails_agree_with_scipy():
    size = np.array([0.0, 0.3, 1.0, 2.0, 5.0, 9.0])
    z = z_of_t(size, DF)
    np.testing.assert_allclose(norm.sf(z), t.sf(size, DF), rtol=1e-9)
    np.testing.assert_allclose(t_of_z(z, DF), np.broadcast_to(size, z.shape), rtol=1e-8, atol=1e-12)


def test_sign_is_kept():
    np.testing.assert_array_equal(z_of_t(-np.array([0.5, 3.0]), 4.0), -z_of_t(np.array([0.5, 3.0]), 4.0))


def test_normal_statistics_stay_as_they_are():
    for df in (np.inf, np.nan):
        np.testing.assert_array_equal(z_of_t([-2.0, 50.0, np.nan], df), [-2.0, 50.0, np.nan])
        np.testing.assert_array_equal(t_of_z([2.0, 50.0, np.nan], df), [2.0, 50.0, np.nan])


def test_trap_far_tails_neither_underflow_nor_jump():
    df = np.array([3.0, 30.0, 300.0, 1e5])[:, None]
    z = np.linspace(34.0, 40.0, 61)
    quantile = t_of_z(z, df)
    assert np.isfinite(quantile).all()
    assert np.all(np.diff(quantile, axis=1) > 0)
    back = z_of_t(quantile, df)
    np.testing.assert_allclose(back, np.broadcast_to(z, back.shape), rtol=2e-2)
    assert np.all(np.diff(back, axis=1) > 0)


def test_a_missing_number_stays_missing():
    assert np.isnan(z_of_t(np.nan, 5.0))
    assert np.isnan(t_of_z(np.nan, 5.0))
    assert t_of_z(71.0, 1.0) == np.inf


def test_few_clusters_need_a_wider_interval():
    assert t_of_z(2.0, 5.0) == pytest.approx(2.648654, abs=1e-5)
    assert stdtr(5.0, -t_of_z(2.0, 5.0)) == pytest.approx(ndtr(-2.0), rel=1e-9)
