"""Crossing probabilities against an independent quadrature, closed forms and published type-I errors."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr

from python_stats.sequential.recursive_integration import crossing_probability


def two_look_probability(t, upper, lower, drift):
    """Upper crossing at the second of two looks, by adaptive quadrature."""
    sd = np.sqrt(t[1] - t[0])

    def integrand(z):
        beyond = (z * np.sqrt(t[0]) + drift * sd**2 - upper[1] * np.sqrt(t[1])) / sd
        return np.exp(-0.5 * (z - drift * np.sqrt(t[0])) ** 2) / np.sqrt(2 * np.pi) * ndtr(beyond)

    return quad(integrand, max(lower[0], -15.0), upper[0], epsabs=1e-13, epsrel=1e-11, limit=200)[0]


@pytest.mark.parametrize("drift", [-2.0, 0.0, 1.0, 4.0])
@pytest.mark.parametrize("t", [(0.5, 1.0), (0.05, 1.0), (0.9, 1.0), (0.98, 1.0), (0.999, 1.0)])
def test_two_looks_are_those_of_adaptive_quadrature(t, drift):
    upper, lower = np.array([2.4, 2.0]), np.array([-2.4, -2.0])
    two = crossing_probability(t, upper, lower, drift=drift)
    one = crossing_probability(t, upper, drift=drift)
    assert two.upper[0] == pytest.approx(ndtr(drift * np.sqrt(t[0]) - 2.4), abs=1e-12)
    assert two.lower[0] == pytest.approx(ndtr(-drift * np.sqrt(t[0]) - 2.4), abs=1e-12)
    assert two.upper[1] == pytest.approx(two_look_probability(t, upper, lower, drift), abs=1e-9)
    assert one.upper[1] == pytest.approx(two_look_probability(t, upper, np.array([-np.inf] * 2), drift), abs=1e-8)
    mirror = crossing_probability(t, upper, lower, drift=-drift)
    np.testing.assert_allclose(mirror.upper, two.lower, atol=1e-12)


def test_trap_peeking_is_not_one_minus_a_power():
    # Armitage, McPherson and Rowe (1969), table 2: repeated tests at a nominal 5 %.
    published = {1: 0.05, 2: 0.083, 3: 0.107, 4: 0.126, 5: 0.142, 10: 0.193, 20: 0.248, 50: 0.320}
    for looks, level in published.items():
        p = crossing_probability(np.arange(1, looks + 1) / looks, 1.959963984540054, -1.959963984540054)
        total = np.sum(p.upper + p.lower)
        assert total == pytest.approx(level, abs=6e-4)
        if looks > 1:
            assert total < 1 - 0.95**looks


def test_published_constants_have_their_level():
    # R rpact 3.3.4 (gs_classical_jt.K5), two-sided .05.
    t = np.arange(1, 6) / 5
    for z in (np.full(5, 2.41317622018418), 2.04007317487342 / np.sqrt(t)):
        p = crossing_probability(t, z, -z)
        assert np.sum(p.upper + p.lower) == pytest.approx(0.05, abs=1e-6)


def test_paths_stop_once():
    rng = np.random.default_rng(4)
    t = np.sort(rng.uniform(0.05, 1.0, (20, 6)), axis=1)
    p = crossing_probability(t, 1.2, -0.8, drift=rng.normal(0, 2, 20))
    assert np.all(p.upper >= 0)
    assert np.all(p.lower >= 0)
    assert np.all(np.sum(p.upper + p.lower, axis=1) <= 1 + 1e-9)
    sure = crossing_probability(t, np.append(np.full(5, 1.2), 0.3), np.append(np.full(5, -0.8), 0.3))
    np.testing.assert_allclose(np.sum(sure.upper + sure.lower, axis=1), 1.0, atol=1e-8)


def test_only_ratios_of_information_matter():
    t = np.array([0.1, 0.35, 0.7, 1.0])
    z = np.array([3.0, 2.5, 2.2, 2.1])
    at_one = crossing_probability(t, z, -z, drift=1.5)
    elsewhere = crossing_probability(40.0 * t, z, -z, drift=1.5 / np.sqrt(40.0))
    np.testing.assert_allclose(at_one.upper, elsewhere.upper, atol=1e-9)


def test_a_look_that_cannot_stop_changes_nothing():
    t, z = np.array([0.2, 0.6, 1.0]), np.array([2.5, 2.5, 2.0])
    without = crossing_probability(t[[0, 2]], z[[0, 2]], -z[[0, 2]])
    silent = crossing_probability(t, [2.5, np.inf, 2.0], [-2.5, -np.inf, -2.0])
    missing = crossing_probability(t, [2.5, np.nan, 2.0], [-2.5, np.nan, -2.0])
    np.testing.assert_allclose(silent.upper[[0, 2]], without.upper, atol=1e-9)
    assert silent.upper[1] == 0.0
    np.testing.assert_array_equal(missing.upper[[0, 2]], without.upper)
    assert np.isnan(missing.upper[1])


def test_schedules_together_are_schedules_alone():
    rng = np.random.default_rng(11)
    t = np.sort(rng.uniform(0.02, 1.2, (60, 7)), axis=1)
    t[rng.random(t.shape) < 0.2] = np.nan
    z = rng.uniform(1.5, 4.0, t.shape)
    drift = rng.normal(0.0, 1.0, 60)
    together = crossing_probability(t, z, -z, drift=drift)
    for row in range(60):
        alone = crossing_probability(t[row], z[row], -z[row], drift=drift[row])
        np.testing.assert_allclose(alone.upper, together.upper[row], atol=1e-8)
        np.testing.assert_allclose(alone.lower, together.lower[row], atol=1e-8)


def test_looks_that_do_not_advance_are_nan_and_stop_nobody_else():
    p = crossing_probability([[0.5, 0.5, 1.0], [0.5, 0.4, 1.0], [0.5, 0.75, 1.0]], 2.0, -2.0)
    assert np.isnan(p.upper[:2]).all()
    assert np.isfinite(p.upper[2]).all()
    assert np.isnan(crossing_probability([0.5, 1.0], 2.0, drift=np.nan).upper).all()
