"""Quantiles of Student's t: 40-digit values, the two branches against each other, and what has no quantile."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri, stdtr, stdtrit

from python_stats.t_quantile import LEAST_DF, LEAST_DF_PER_SQUARE, t_quantile

# mpmath 1.4.1: the regularised incomplete beta function inverted by Newton's method with 40 digits
PRECISE = [
    (400, 0.025, 1.9659123432294631327),
    (400, 0.4, 0.25351567483128666781),
    (1234.5, 0.05, 1.646088880269020022),
    (664, 0.005, 2.5832538224479787326),
    (10000, 1e-12, 7.0433716020557755953),
    (1e6, 0.025, 1.9599663568141070115),
    (1e9, 1e-5, 4.2648908143828849773),
    (2000, 0.75, -0.67461243753102187865),
    (5000, 1e-10, 6.3745535366151039736),
    (137500, 1e-300, 37.139805136960575537),
    (399, 0.025, 1.965927295920882039),
    (12, 0.05, 1.7822875556493200418),
]


@pytest.mark.parametrize(("df", "tail", "expected"), PRECISE)
def test_equals_40_digit_arithmetic(df: float, tail: float, expected: float) -> None:
    assert float(t_quantile(df, tail)) == pytest.approx(expected, rel=5e-16, abs=0)


def test_the_series_and_the_inversion_meet_where_one_takes_over() -> None:
    tail = np.array([0.49, 0.3, 0.1, 0.025, 1e-3, 1e-6, 1e-20, 1e-100, 1e-300])
    least = np.maximum(LEAST_DF, LEAST_DF_PER_SQUARE * ndtri(tail) ** 2)
    for factor in (0.999999, 1.0, 1.000001, 3.0):
        np.testing.assert_allclose(t_quantile(least * factor, tail), -stdtrit(least * factor, tail), rtol=2e-14)


def test_inverts_the_distribution_function() -> None:
    df = np.geomspace(1, 1e12, 60)[:, None]
    tail = np.array([0.4, 0.05, 0.025, 1e-4, 1e-9])
    np.testing.assert_allclose(stdtr(df, -t_quantile(df, tail)), np.broadcast_to(tail, (60, 5)), rtol=1e-10)


def test_infinite_degrees_of_freedom_are_the_normal_distribution() -> None:
    tail = np.array([0.5, 0.025, 1e-10])
    np.testing.assert_array_equal(t_quantile(np.inf, tail), -ndtri(tail))


def test_is_odd_around_one_half() -> None:
    df = np.array([3.0, 400.0, 1e6])
    np.testing.assert_allclose(t_quantile(df, 0.75), -t_quantile(df, 0.25), rtol=1e-14)


def test_cells_without_degrees_of_freedom_have_no_quantile_and_harm_no_other() -> None:
    got = t_quantile([np.nan, 0.0, -5.0, 1e4, 10.0], 0.025)
    assert np.isnan(got[:3]).all()
    np.testing.assert_array_equal(got[3:], [t_quantile(1e4, 0.025), t_quantile(10.0, 0.025)])
    assert np.isnan(t_quantile(1e4, [np.nan, -0.1, 1.5])).all()


def test_broadcasts_degrees_of_freedom_and_tails() -> None:
    got = t_quantile(np.array([[5.0], [5000.0]]), np.array([0.025, 0.05, 0.1]))
    assert got.shape == (2, 3)
    assert got[1, 2] == t_quantile(5000.0, 0.1)
    assert np.shape(t_quantile(5.0, 0.1)) == ()
