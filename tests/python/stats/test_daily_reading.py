"""How often a running experiment without an effect is decided on some day, by the test that is read on each of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from python_stats.sequential.always_valid import asymptotic_cs, asymptotic_cs_rho

EXPERIMENTS, DAYS, FIRST = 4000, 28, 7


@pytest.mark.parametrize("units_a_day", [200, 2000])
def test_trap_a_fixed_test_read_every_day_finds_what_is_not_there(units_a_day):
    steps = np.random.default_rng(20260401).standard_normal((EXPERIMENTS, DAYS))
    day = np.arange(1, DAYS + 1)
    z = steps.cumsum(axis=1) / np.sqrt(day)
    units = np.broadcast_to(units_a_day * day.astype(float), z.shape)
    plan = {"alpha": 0.05, "alternative": "two_sided"}
    always = asymptotic_cs(z, np.ones_like(z), units, rho=asymptotic_cs_rho(np.array(10000.0), **plan), **plan)
    fixed = 2 * norm.sf(np.abs(z[:, FIRST - 1 :])) <= 0.05
    assert fixed.any(axis=1).mean() > 0.16
    # The p-value remembers every look, those before the first day of a decision too.
    assert (always.p_value[:, -1] <= 0.05).mean() < 0.02
    np.testing.assert_array_equal(always.p_value, np.minimum.accumulate(always.p_value, axis=1))
