"""Planning of means: against R's power.t.test, and round trips between power, effect and size."""

from __future__ import annotations

import numpy as np
import pytest

from python_stats.means.ratios import linearised_variance
from python_stats.planning.power_means import PowerError, SampleSize, mde_means, power_means, sample_size_means
from python_stats.wald import ALTERNATIVES


def designs(cells=300):
    """Random designs of every kind: sizes, splits, variances, alphas, targets, alternatives, nulls."""
    rng = np.random.default_rng(41)
    ratio = np.exp(rng.uniform(-1.5, 1.5, cells))
    n = np.exp(rng.uniform(np.log(3), np.log(1e6), cells)) / np.minimum(1.0, ratio)
    target = rng.uniform(0.25, 0.99, cells)
    test = {
        "var_control": rng.exponential(1.0, cells),
        "var_treatment": rng.exponential(3.0, cells),
        "ratio": ratio,
        "alpha": rng.choice([0.001, 0.05, 0.2], cells),
        "alternative": rng.choice(ALTERNATIVES, cells),
        "null": rng.normal(0.0, 1.0, cells),
    }
    return n, target, test


def test_oracle(oracle_case):
    # Not ours: mde_mean_t_R_default_tol is R's loosely solved root. The pooled mde_prop_* keys are in
    # test_power_proportions.py.
    case = oracle_case("power_mde")
    n, variance = case.inputs["n_per_arm_mean"], case.inputs["sd"] ** 2
    target, effect = case.inputs["power"], case.inputs["delta_for_power"]
    student = {"var_control": variance, "distribution": "t"}
    case.check("mde_mean_t", mde_means(n, power=target, **student))
    case.check("mde_mean_t_strict_both_tails", mde_means(n, power=target, both_tails=True, **student))
    case.check("mde_mean_z", mde_means(n, power=target, var_control=variance))
    case.check("power_t", power_means(effect, n, **student))
    case.check("power_t_strict_two_tails", power_means(effect, n, both_tails=True, **student))
    case.check("power_z_two_tails", power_means(effect, n, var_control=variance, both_tails=True))
    # The variance of a rate frozen at the baseline makes it a mean.
    frozen = case.inputs["p1"] * (1 - case.inputs["p1"])
    case.check("mde_prop_baseline_variance_both_arms", mde_means(case.inputs["n_per_arm_prop"], var_control=frozen))


def test_r_power_t_test():
    # R: power.t.test(n = 20, delta = 1, sd = 1), and power.t.test(power = .90, delta = 1), from its help page.
    np.testing.assert_allclose(power_means(1.0, 20, var_control=1, distribution="t"), 0.8689528, atol=5e-8)
    got = sample_size_means(1.0, power=0.9, var_control=1, distribution="t").n_control
    np.testing.assert_allclose(got, 22.02110, atol=5e-6)


@pytest.mark.parametrize("both_tails", [False, True])
@pytest.mark.parametrize("distribution", ["normal", "t"])
def test_trap_power_mde_and_size_are_inverses(distribution, both_tails):
    n, target, test = designs()
    test = {**test, "distribution": distribution, "both_tails": both_tails}
    effect = mde_means(n, power=target, **test)
    assert not np.isnan(effect).any()
    np.testing.assert_allclose(power_means(effect, n, **test), target, rtol=1e-11)
    size = sample_size_means(effect, power=target, **test)
    np.testing.assert_allclose(size.n_control, n, rtol=1e-10)
    np.testing.assert_allclose(size.n_treatment, n * test["ratio"], rtol=1e-10)


def test_mde_points_where_the_alternative_looks():
    mde = mde_means(100, var_control=1, null=-0.2, alternative=ALTERNATIVES)
    np.testing.assert_allclose(mde[1] + 0.2, -0.2 - mde[2])
    assert mde[0] > mde[1] > -0.2 > mde[2]


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize("distribution", ["normal", "t"])
def test_power_at_the_null_is_the_size_of_the_test(distribution, alternative):
    test = {"var_control": 2.0, "alternative": alternative, "distribution": distribution}
    one_tail = power_means(0.0, 30, **test)
    np.testing.assert_allclose(one_tail, 0.025 if alternative == "two_sided" else 0.05, rtol=1e-12)
    np.testing.assert_allclose(power_means(0.0, 30, both_tails=True, **test), 0.05, rtol=1e-12)


@pytest.mark.parametrize("distribution", ["normal", "t"])
def test_power_rises_with_the_effect_and_the_size(distribution):
    grid = power_means(
        np.linspace(0.01, 3, 60)[:, None], np.arange(2, 60), var_control=1.0, distribution=distribution, both_tails=True
    )
    assert (np.diff(grid, axis=0) >= -1e-13).all()
    assert (np.diff(grid, axis=1) >= -1e-13).all()
    assert ((grid > 0.05) & (grid <= 1.0 + 1e-15)).all()


def test_an_effect_on_the_wrong_side_has_little_power_and_no_sample_size():
    test = {"var_control": 1.0, "alternative": ["greater", "less"]}
    for distribution in ("normal", "t"):
        power = power_means([-0.5, 0.5], 50, distribution=distribution, **test)
        assert ((power > 0) & (power < 1e-4)).all()
        assert np.isnan(sample_size_means([-0.5, 0.5], distribution=distribution, **test).n_control).all()


def test_far_on_the_wrong_side_is_a_number_too():
    power = power_means(-np.linspace(0, 50, 200), 10, var_control=1.0, alternative="greater", distribution="t")
    assert ((power >= 0) & (power <= 0.05 + 1e-12)).all()
    assert power[-1] < 1e-300


def test_trap_unequal_splits_cost_units():
    even = sample_size_means(0.1, var_control=1)
    uneven = sample_size_means(0.1, var_control=1, ratio=1 / 9)
    # With k = n_t / n_c the total grows by (1 + k)^2 / (4 k): 90/10 needs 100/36 of the units of 50/50.
    total = uneven.n_control + uneven.n_treatment
    np.testing.assert_allclose(total / (2 * even.n_control), 100 / 36, rtol=1e-12)
    np.testing.assert_allclose(uneven.n_treatment / total, 0.1, rtol=1e-12)


def test_non_inferiority_of_a_mean():
    # (z.975 + z.8)^2 * 2 * sd^2 / margin^2.
    got = sample_size_means(0.0, null=-2.0, var_control=100, alternative="greater", alpha=0.025).n_control
    np.testing.assert_allclose(got, (1.959963984540054 + 0.8416212335729143) ** 2 * 2 * 100 / 4, rtol=1e-12)


def test_a_covariate_saves_its_share_of_the_variance():
    raw, adjusted = (sample_size_means(0.1, var_control=v).n_control for v in (4.0, 4.0 * (1 - 0.6**2)))
    np.testing.assert_allclose(adjusted / raw, 0.64, rtol=1e-12)


def test_a_ratio_metric_is_planned_with_its_linearised_variance():
    variance = linearised_variance(2.0, 4.0, 3.0, 5.0, 2.5)
    np.testing.assert_allclose(mde_means(1000, var_control=variance), 2.8015852181129683 * np.sqrt(2 * variance / 1000))


def test_welch_degrees_of_freedom_of_an_uneven_design():
    # With a constant treatment arm only control's units count: df = n_control - 1.
    uneven = power_means(1.0, 8, var_control=1, var_treatment=0, ratio=5, distribution="t")
    paired_like = power_means(1.0, 8, var_control=0, var_treatment=1, distribution="t")
    np.testing.assert_allclose(uneven, paired_like, rtol=1e-12)
    # With a constant control arm only treatment's units count.
    larger = power_means(1.0, 8, var_control=0, var_treatment=1, ratio=2, distribution="t")
    np.testing.assert_allclose(
        larger, power_means(1.0, 16, var_control=1, var_treatment=0, distribution="t"), rtol=1e-12
    )


def test_t_never_plans_fewer_than_two_units_per_arm():
    size = sample_size_means(1e6, var_control=1, ratio=[1.0, 0.5], distribution="t")
    np.testing.assert_allclose(size.n_control, [2, 4])
    assert (power_means(1e6, size.n_control, var_control=1, ratio=[1.0, 0.5], distribution="t") >= 0.8).all()


def test_rounding_up():
    size = SampleSize(np.array([3840.85, 100.0, 100.00000000001]), np.array([10.2, 50.0, 50.1]))
    assert size.rounded_up().n_control.tolist() == [3841, 100, 100]
    assert size.rounded_up().n_treatment.tolist() == [11, 50, 51]


def test_designs_without_a_number_are_missing_and_stop_nobody():
    for distribution in ("normal", "t"):
        power = power_means(1.0, [30, 0, -1, np.nan], var_control=1, distribution=distribution)
        assert np.isnan(power).tolist() == [False, True, True, True]
        mde = mde_means(30, var_control=[1, 0, -1, np.nan], distribution=distribution)
        assert np.isnan(mde).tolist() == [False, True, True, True]
        size = sample_size_means([0.5, 0.0, np.nan], var_control=1, distribution=distribution).n_control
        assert np.isnan(size).tolist() == [False, True, True]
        split = sample_size_means(0.5, var_control=1, ratio=[1, 0, -1, np.inf], distribution=distribution).n_treatment
        assert np.isnan(split).tolist() == [False, True, True, True]
    assert np.isnan(power_means(1.0, 1.5, var_control=1, distribution="t"))


def test_a_target_below_alpha_cannot_be_planned():
    for distribution in ("normal", "t"):
        assert np.isnan(mde_means(30, power=0.02, var_control=1, distribution=distribution))
        assert np.isnan(mde_means(30, power=0.04, var_control=1, both_tails=True, distribution=distribution))
        assert np.isnan(sample_size_means(1, power=0.02, var_control=1, distribution=distribution).n_control)


def test_vectorised_is_one_cell_at_a_time():
    n, target, test = designs(12)
    for distribution in ("normal", "t"):
        together = mde_means(n, power=target, distribution=distribution, **test)
        size = sample_size_means(together, power=target, distribution=distribution, **test).n_control
        for i in range(12):
            own = {key: value[i] for key, value in test.items()}
            alone = mde_means(n[i], power=target[i], distribution=distribution, **own)
            np.testing.assert_allclose(alone, together[i], rtol=1e-12)
            alone = sample_size_means(together[i], power=target[i], distribution=distribution, **own).n_control
            np.testing.assert_allclose(alone, size[i], rtol=1e-12)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="normal, t"):
        power_means(1, 10, var_control=1, distribution="student")
    for power in (0.0, 1.0, 80, np.nan):
        with pytest.raises(PowerError, match="strictly between 0 and 1"):
            mde_means(10, power=power, var_control=1)
        with pytest.raises(PowerError, match="strictly between 0 and 1"):
            sample_size_means(1, power=power, var_control=1)
    with pytest.raises(ValueError, match="alternative"):
        power_means(1, 10, var_control=1, alternative="one_sided")
