"""Orders that are the same everywhere and different for every seed."""

from __future__ import annotations

import numpy as np

from python_stats.reproducible_order import reproducible_order


def test_every_place_comes_first_as_often():
    seeds = np.repeat(np.arange(-3_000, 3_000), 6)
    key = reproducible_order(seeds, np.tile(np.arange(6), 6_000)).reshape(-1, 6)
    first = np.bincount(key.argmin(axis=1), minlength=6)
    expected = 1_000
    assert np.sum((first - expected) ** 2 / expected) < 20.5  # 99.9 % of a chi-square with 5 degrees of freedom


def test_an_order_depends_on_its_seed_alone():
    alone = reproducible_order(12, np.arange(50))
    among = reproducible_order(np.repeat([3, 12, 2**63 - 1], 50), np.tile(np.arange(50), 3))
    np.testing.assert_array_equal(among[50:100], alone)
    assert np.unique(among).size == 150
    assert reproducible_order(0, []).size == 0
