"""Planning of rates: four formulas of one name, and round trips."""

from __future__ import annotations

import numpy as np
import pytest

from python_stats.planning.power_means import PowerError
from python_stats.planning.power_proportions import METHODS, mde_proportions, power_proportions, sample_size_proportions
from python_stats.wald import ALTERNATIVES


def test_sample_size_oracle(oracle_case):
    case = oracle_case("power_prop_n")
    rates = case.inputs["p1"], case.inputs["p2"]
    test = {"power": case.inputs["power"], "alpha": case.inputs["alpha"]}
    size = {method: sample_size_proportions(*rates, method=method, **test) for method in METHODS}
    for tool in ("pooled_power_prop_test", "rpact", "gsDesign", "hmisc_bsamsize"):
        case.check(f"n_per_arm_{tool}", size["score"].n_control)
    case.check("n_per_arm_ceil", size["score"].rounded_up().n_control)
    case.check("n_per_arm_unpooled", size["unpooled"].n_control)
    case.check("n_per_arm_casagrande_pike_cc", size["continuity_corrected"].n_control)
    arcsine = sample_size_proportions(*rates, method="arcsine", both_tails=True, **test)
    case.check("n_per_arm_cohen_h_arcsine", arcsine.n_control)
    # With one tail the arcsine size is closed: 2 * ((z.975 + z.8) / h)^2.
    z = 1.959963984540054 + 0.8416212335729143
    case.check("cohen_h", z * np.sqrt(2.0 / size["arcsine"].n_control))


def test_mde_oracle(oracle_case):
    # Not ours: mde_prop_R_default_tol is R's loosely solved root. mde_prop_baseline_variance_both_arms and the means
    # are in test_power.py.
    case = oracle_case("power_mde")
    rate, n = case.inputs["p1"], case.inputs["n_per_arm_prop"]
    case.check("mde_prop_up_pooled", mde_proportions(rate, n))
    case.check("mde_prop_down_pooled", -mde_proportions(rate, n, direction="decrease"))


def test_r_power_prop_test():
    # R: power.prop.test(n = 50, p1 = .50, p2 = .75), from its help page.
    np.testing.assert_allclose(power_proportions(0.5, 0.75, 50), 0.7401659, atol=5e-8)


def test_four_formulas_of_one_name():
    got = [float(sample_size_proportions(0.1, 0.12, method=method).n_control) for method in METHODS]
    np.testing.assert_allclose(got, [3840.84748, 3838.10219, 3834.60513, 3940.21300], atol=5e-6)


def test_the_wrong_direction_counts_only_when_asked_for():
    for method in ("unpooled", "arcsine"):
        one, two = (power_proportions(0.1, 0.1, 500, method=method, both_tails=both) for both in (False, True))
        np.testing.assert_allclose([one, two], [0.025, 0.05], rtol=1e-10)
    # R's pwr and statsmodels count it: 3834.5957 per arm, not 3834.6051.
    arcsine = sample_size_proportions(0.1, 0.12, method="arcsine", both_tails=True).n_control
    np.testing.assert_allclose(arcsine, 3834.59575, atol=5e-5)


def test_non_inferiority_formulas_differ():
    # Rates .85 in both arms, margin .10, one-sided .025: Farrington-Manning 206.9 (not Wald's 200.1).
    plan = {"null": -0.1, "alternative": "greater", "alpha": 0.025}
    score = sample_size_proportions(0.85, 0.85, **plan).n_control
    unpooled = sample_size_proportions(0.85, 0.85, method="unpooled", **plan).n_control
    np.testing.assert_allclose([score, unpooled], [206.9, 200.1], atol=0.05)


@pytest.mark.parametrize("both_tails", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_trap_power_mde_and_size_are_inverses(method, both_tails):
    rng = np.random.default_rng(43)
    cells = 300
    rate, n = rng.uniform(0.002, 0.998, cells), np.exp(rng.uniform(4, 14, cells))
    target = rng.uniform(0.25, 0.99, cells)
    test = {
        "method": method,
        "both_tails": both_tails,
        "ratio": np.exp(rng.uniform(-1.5, 1.5, cells)),
        "alpha": rng.choice([0.001, 0.05, 0.2], cells),
        "alternative": rng.choice(ALTERNATIVES, cells),
        "null": rng.uniform(-0.03, 0.03, cells) if method in ("score", "unpooled") else 0.0,
    }
    for direction in ("increase", "decrease"):
        mde = mde_proportions(rate, n, power=target, direction=direction, **test)
        found = ~np.isnan(mde)
        assert found.mean() > 0.8
        np.testing.assert_allclose(power_proportions(rate, rate + mde, n, **test)[found], target[found], rtol=1e-9)
        size = sample_size_proportions(rate, rate + mde, power=target, **test).n_control
        np.testing.assert_allclose(size[found], n[found], rtol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_power_rises_with_the_difference_and_the_size(method):
    grid = power_proportions(0.1, np.linspace(0.1, 0.999, 80)[:, None], np.geomspace(20, 1e5, 40), method=method)
    # Below alpha the ratio of the two variances moves the formulas by a part in a thousand either way.
    plannable = grid > 0.05
    assert plannable.mean() > 0.5
    assert (np.diff(grid, axis=0) >= -1e-13)[plannable[:-1]].all()
    assert (np.diff(grid, axis=1) >= -1e-13)[plannable[:, :-1]].all()


def test_renaming_the_outcome_changes_nothing():
    for method in METHODS:
        up = mde_proportions(0.1, 5000, ratio=0.5, method=method)
        down = mde_proportions(0.9, 5000, ratio=0.5, method=method, direction="decrease")
        np.testing.assert_allclose(up, -down, rtol=1e-10)


def test_the_mde_of_a_rate_is_not_symmetric():
    assert mde_proportions(0.1, 5000) > -mde_proportions(0.1, 5000, direction="decrease")


def test_one_sided_alternatives_choose_their_direction():
    mde = mde_proportions(0.1, 5000, alternative=["greater", "less"], direction="increase")
    assert mde[0] > 0 > mde[1]
    wrong = sample_size_proportions(0.1, [0.08, 0.12], alternative=["greater", "less"])
    assert np.isnan(wrong.n_control).all()


def test_trap_unequal_splits_are_not_ignored():
    even, uneven = sample_size_proportions(0.1, 0.12), sample_size_proportions(0.1, 0.12, ratio=1 / 9)
    assert uneven.n_control + uneven.n_treatment > 2.5 * (even.n_control + even.n_treatment)
    np.testing.assert_allclose(uneven.n_treatment, uneven.n_control / 9)
    np.testing.assert_allclose(power_proportions(0.1, 0.12, uneven.n_control, ratio=1 / 9), 0.8, rtol=1e-10)


def test_the_variance_of_treatment_counts():
    # spotify-confidence 4.1.0 takes the baseline's variance in both arms: 3532 instead of 3841 per arm.
    assert sample_size_proportions(0.1, 0.12).rounded_up().n_control == 3841


def test_no_rate_is_far_enough_for_a_tiny_sample():
    assert np.isnan(mde_proportions(0.5, 3))
    assert np.isnan(mde_proportions(0.999, 100))


def test_designs_without_a_number_are_missing_and_stop_nobody():
    for method in METHODS:
        power = power_proportions(
            [0.1, -0.1, 0.1, np.nan, 0.1], [0.2, 0.1, 1.2, 0.1, 0.2], [100] * 4 + [0], method=method
        )
        assert np.isnan(power).tolist() == [False, True, True, True, True]
        size = sample_size_proportions(0.1, [0.2, 0.1, np.nan], method=method).n_control
        assert np.isnan(size).tolist() == [False, True, True]
        mde = mde_proportions([0.1, np.nan, 1.1], 1000, method=method)
        assert np.isnan(mde).tolist() == [False, True, True]
        assert np.isnan(power_proportions(0.1, 0.2, 100, ratio=[0, -1, np.nan], method=method)).all()
    assert np.isnan(sample_size_proportions(0.1, 0.2, power=0.02).n_control)


def test_vectorised_is_one_cell_at_a_time():
    rate, n, side = np.array([0.02, 0.3, 0.7]), np.array([900.0, 400.0, 80.0]), np.array(ALTERNATIVES)
    together = mde_proportions(rate, n, alternative=side)
    for i in range(3):
        np.testing.assert_allclose(mde_proportions(rate[i], n[i], alternative=side[i]), together[i], rtol=1e-12)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="score, unpooled, arcsine, continuity_corrected"):
        power_proportions(0.1, 0.2, 10, method="pooled")
    with pytest.raises(ValueError, match="increase, decrease"):
        mde_proportions(0.1, 10, direction="up")
    for method in ("arcsine", "continuity_corrected"):
        with pytest.raises(ValueError, match="null=0 only"):
            sample_size_proportions(0.1, 0.1, null=-0.02, method=method)
    with pytest.raises(PowerError):
        mde_proportions(0.1, 10, power=1)
