"""Lin's estimator and ANCOVA from moments, against estimatr and against least squares on the units."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from python_stats.adjustment.pre_period import linearised
from python_stats.adjustment.regression import (
    ancova,
    fit_arm,
    lin,
    residual_sums,
    residual_sums_from_moments,
)
from python_stats.means.welch import welch_t
from python_stats.moments import Moments, merge_groups, moments_of, with_zeros

ROBUST = ("HC0", "HC1", "HC2", "HC3")


def arms_of_units(seed: int, n_control: int = 23, n_treatment: int = 17, k: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Outcome with its own slopes and noise in each arm, and skewed correlated covariates."""
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(k, k))
    arms = []
    for n, slope, effect in ((n_control, 1.0, 0.0), (n_treatment, 1.7, 0.5)):
        x = rng.gamma(2.0, size=(n, k)) @ mix
        y = 3 + effect + slope * x.sum(axis=1) + rng.normal(size=n) * (1 + np.abs(x[:, 0]))
        arms.append(np.column_stack([y, x]))
    return arms[0], arms[1]


def robust(compare, units, moments: Moments, se_type: str, **kwargs):
    """The comparison with a robust standard error, second pass included."""
    fits = fit_arm(*moments, common=compare is ancova)
    sums = tuple(residual_sums(u, m, f, se_type) for u, m, f in zip(units, moments, fits, strict=True))
    return compare(*moments, se_type=se_type, residuals=sums, **kwargs)


def least_squares(units, *, interacted: bool) -> dict[str, tuple[float, float]]:
    """Effect and standard errors by least squares on the units, from the textbook matrices."""
    y = np.concatenate([u[:, 0] for u in units])
    x = np.concatenate([u[:, 1:] for u in units])
    t = np.repeat([0.0, 1.0], [len(u) for u in units])[:, None]
    x = x - x.mean(axis=0)
    design = np.hstack([np.ones_like(t), t, x] + ([t * x] if interacted else []))
    bread = np.linalg.inv(design.T @ design)
    coef = bread @ design.T @ y
    e2 = (y - design @ coef) ** 2
    h = np.einsum("ui,ij,uj->u", design, bread, design)
    n, p = design.shape
    scale = {"HC0": 1.0, "HC1": n / (n - p), "HC2": 1 / (1 - h), "HC3": 1 / (1 - h) ** 2}
    out = {"classical": (coef[1], np.sqrt(e2.sum() / (n - p) * bread[1, 1]))}
    for name, factor in scale.items():
        meat = design.T @ (design * (e2 * factor)[:, None])
        out[name] = (coef[1], np.sqrt((bread @ meat @ bread)[1, 1]))
    return out


def test_lin2013_epil_multi(oracle_case):
    case = oracle_case("lin2013_epil_multi")
    t = case.table()
    values = np.column_stack([t["y"], t["base"], t["age"]])
    units = [values[t["trt"] == "placebo"], values[t["trt"] == "progabide"]]
    moments = moments_of(units)
    results = {name: robust(lin, units, moments, name).comparison for name in ROBUST}
    results["classical"] = lin(*moments, se_type="classical").comparison
    for name, got in results.items():
        want = case.expected[name]
        case.check(name, got.effect, want["est"])
        case.check(name, got.se, want["se"])
        case.check(name, got.df, want["df"])
        case.check(name, got.p_value, want["p"])
        case.check(name, [got.ci_low, got.ci_high], want["ci95"])
    neyman = lin(*moments).comparison
    case.check("HC2", neyman.effect, case.expected["HC2"]["est"])
    # Between classical and robust: 30 units an arm and heavy tails at extreme covariates are where they differ most.
    assert abs(neyman.se / results["HC2"].se - 1) < 0.1


def test_ancova_of_cuped_single_epil(oracle_case):
    case = oracle_case("cuped_single_epil")
    t = case.table()
    values = np.column_stack([t["y"], t["base"]])
    units = [values[t["trt"] == "placebo"], values[t["trt"] == "progabide"]]
    moments = moments_of(units)
    got = ancova(*moments)
    case.check("ancova_diff", got.comparison.effect)
    case.check("ancova_se_classic", got.comparison.se)
    case.check("ancova_se_hc2", robust(ancova, units, moments, "HC2").comparison.se)
    case.check("theta_within_arm", got.slopes_control[0])


@pytest.mark.parametrize(("compare", "interacted"), [(lin, True), (ancova, False)])
@pytest.mark.parametrize("k", [1, 3])
def test_is_least_squares_on_the_units(compare, interacted, k):
    units = arms_of_units(21, k=k)
    moments = moments_of(units)
    for name, (effect, se) in least_squares(units, interacted=interacted).items():
        got = compare(*moments, se_type=name) if name == "classical" else robust(compare, units, moments, name)
        np.testing.assert_allclose(got.comparison.effect, effect, err_msg=name)
        np.testing.assert_allclose(got.comparison.se, se, err_msg=name)
        np.testing.assert_allclose(got.adjusted_mean_treatment - got.adjusted_mean_control, effect)


@pytest.mark.parametrize("compare", [lin, ancova])
def test_hc0_and_hc1_from_third_and_fourth_moments_without_a_second_pass(compare):
    units = arms_of_units(22)
    moments = moments_of(units)
    fits = fit_arm(*moments, common=compare is ancova)
    sums = []
    for u, arm, fit in zip(units, moments, fits, strict=True):
        z = u - u.mean(axis=0)
        x = z[:, 1:]
        third = np.einsum("ui,uj,ul->ijl", z, z, x)
        fourth = np.einsum("ui,uj,ul,um->ijlm", z, z, x, x)
        sums.append(residual_sums_from_moments(arm, third, fourth, fit))
    for name in ("HC0", "HC1"):
        got = compare(*moments, se_type=name, residuals=tuple(sums))
        np.testing.assert_allclose(got.comparison.se, robust(compare, units, moments, name).comparison.se)


def test_robust_errors_are_not_a_function_of_second_moments():
    """Two data sets with the same means and covariances, whose HC0 to HC3 differ: why they need more than moments."""
    control = np.column_stack([[0.0, 0.0, 1.0, -1.0, 0.0, 0.0, 1.0, -1.0], [-3.0, 3.0, 1.0, 1.0, -1.0, -1.0, 0, 0]])
    z = control - control.mean(axis=0)
    turn = np.linalg.qr(np.column_stack([np.ones(8), np.random.default_rng(23).normal(size=(8, 7))]))[0]
    turned = turn[:, 1:] @ turn[:, [2, 1, 4, 3, 5, 7, 6]].T @ z + control.mean(axis=0)
    treatment = np.column_stack([np.arange(6.0) ** 1.5, [4.0, 1.0, 3.0, 2.0, 9.0, 5.0]])
    first, second = moments_of([control, treatment]), moments_of([turned, treatment])
    np.testing.assert_allclose(first.cov, second.cov, atol=1e-12)
    np.testing.assert_allclose(first.mean, second.mean, atol=1e-12)
    np.testing.assert_allclose(lin(*first).comparison.se, lin(*second).comparison.se)
    for name in ROBUST:
        a = robust(lin, (control, treatment), first, name).comparison.se
        b = robust(lin, (turned, treatment), second, name).comparison.se
        assert abs(a / b - 1) > 1e-3


def test_neyman_without_covariates_is_welch_and_hc2():
    units = [u[:, :1] for u in arms_of_units(24)]
    moments = moments_of(units)
    got = lin(*moments)
    assert not got.is_adjusted
    wanted = welch_t(*(v for m in moments for v in (m.mean[0], m.var[0], m.n)))
    for a, b in zip(got.comparison, wanted, strict=True):
        np.testing.assert_allclose(a, b)
    np.testing.assert_allclose(got.comparison.se, robust(lin, units, moments, "HC2").comparison.se)
    np.testing.assert_allclose(got.variance_reduction, 0, atol=1e-12)


def test_neyman_is_the_standard_error_over_samples_when_arms_have_their_own_noise():
    """Large arms of unequal noise: neyman is right where classical is not."""
    rng = np.random.default_rng(25)
    n_c, n_t, runs = 120, 40, 3000
    x = rng.normal(size=(runs, n_c + n_t))
    noise = np.repeat([1.0, 3.0], [n_c, n_t])
    units = np.stack([2 * x + noise * rng.normal(size=x.shape), x], axis=-1)
    moments = moments_of(units[:, :n_c]), moments_of(units[:, n_c:])
    got, classical = lin(*moments), lin(*moments, se_type="classical")
    spread = got.comparison.effect.std()
    np.testing.assert_allclose(np.sqrt((got.comparison.se**2).mean()), spread, rtol=0.04)
    assert (classical.comparison.se < 0.85 * spread).mean() > 0.9
    rejected = (got.comparison.p_value < 0.05).mean()
    assert abs(rejected - 0.05) < 3 * np.sqrt(0.05 * 0.95 / runs)
    # What a lift needs: covariance of the adjusted effect with the raw control mean.
    np.testing.assert_allclose(
        got.cov_effect_control.mean(), np.cov(got.comparison.effect, got.mean_control)[0, 1], rtol=0.25
    )


def test_what_the_lift_needs_when_the_slopes_differ():
    """Control on a slope of 3, treatment on none: each arm's slope carries control's covariates into the effect."""
    rng = np.random.default_rng(34)
    n_c, n_t, runs = 90, 30, 20_000
    x = rng.normal(size=(runs, n_c + n_t))
    y = np.where(np.arange(n_c + n_t) < n_c, 3 * x, 0.0) + rng.normal(size=x.shape)
    units = np.stack([y, x], axis=-1)
    got = lin(moments_of(units[:, :n_c]), moments_of(units[:, n_c:]))
    simulated = np.cov(got.comparison.effect, got.mean_control)[0, 1]
    np.testing.assert_allclose(got.cov_effect_control.mean(), simulated, rtol=0.06)


def test_target_population_covers_the_sampling_of_covariates():
    """Slopes of 3 and 0: the average effect varies with the covariate mean, which only ``population`` counts."""
    rng = np.random.default_rng(26)
    n, runs = 60, 3000
    x = rng.normal(size=(runs, 2 * n))
    y = np.where(np.arange(2 * n) < n, 0.0, 3 * x) + rng.normal(size=x.shape)
    units = np.stack([y, x], axis=-1)
    moments = moments_of(units[:, :n]), moments_of(units[:, n:])
    population, sample = lin(*moments, target="population").comparison, lin(*moments).comparison
    np.testing.assert_allclose(np.sqrt((population.se**2).mean()), population.effect.std(), rtol=0.04)
    average = (3 * x).mean(axis=1)
    np.testing.assert_allclose(np.sqrt((sample.se**2).mean()), (sample.effect - average).std(), rtol=0.04)


def test_planted_effect_is_recovered_with_covariates_far_from_zero():
    rng = np.random.default_rng(27)
    centre = np.array([1e4, -50.0, 3.0])
    units = []
    for n, effect in ((3000, 0.0), (2000, 0.25)):
        x = rng.normal(size=(n, 3)) + centre
        units.append(np.column_stack([effect + (x - centre) @ [1.0, 2.0, -1.0] + rng.normal(size=n), x]))
    got = lin(*moments_of(units))
    assert abs(got.comparison.effect - 0.25) < 4 * got.comparison.se
    np.testing.assert_allclose(got.comparison.se, np.sqrt(1 / 3000 + 1 / 2000), rtol=0.05)
    np.testing.assert_allclose(got.variance_reduction, 6 / 7, atol=0.02)


def test_a_collinear_covariate_counts_once():
    c, t = arms_of_units(28)
    units = (c, t)
    doubled = tuple(np.column_stack([u, 3 * u[:, 1] - 2 * u[:, 2] + 5]) for u in units)
    for compare, se_type in ((lin, "neyman"), (lin, "classical"), (ancova, "classical")):
        base, got = (compare(*moments_of(u), se_type=se_type).comparison for u in (units, doubled))
        for a, b in zip(got, base, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-7)
    a, b = (robust(lin, u, moments_of(u), "HC2").comparison.se for u in (units, doubled))
    np.testing.assert_allclose(a, b, rtol=1e-7)


@pytest.mark.parametrize(("name", "value"), [("null", np.nan), ("constant", 0.1)])
@pytest.mark.parametrize("compare", [lin, ancova])
def test_an_unusable_covariate_is_left_out_and_said_so(compare, name, value):
    c, t = arms_of_units(29)
    units = tuple(np.column_stack([u, np.full(len(u), value)]) for u in (c, t))
    got, wanted = compare(*moments_of(units)), compare(*moments_of((c, t)))
    np.testing.assert_array_equal(got.covariates_used, [True, True, False])
    for a, b in zip(got.comparison, wanted.comparison, strict=True):
        np.testing.assert_allclose(a, b)
    for se_type in ("HC0", "HC2"):
        np.testing.assert_allclose(
            robust(compare, units, moments_of(units), se_type).comparison.se,
            robust(compare, (c, t), moments_of((c, t)), se_type).comparison.se,
        )


def test_covariate_undefined_in_one_arm_only_falls_back_to_unadjusted():
    c, t = arms_of_units(30, k=1)
    c = c * [1.0, np.nan]
    got = lin(*moments_of((c, t)))
    assert not got.is_adjusted
    np.testing.assert_allclose(got.comparison.effect, got.unadjusted.effect)
    np.testing.assert_allclose(got.comparison.se, got.unadjusted.se)
    np.testing.assert_allclose(got.cov_effect_control, -(got.se_control**2))


def test_an_arm_with_no_more_units_than_covariates_falls_back_to_unadjusted():
    c, t = arms_of_units(31, n_treatment=4, k=3)
    got = lin(*moments_of((c, t)))
    assert not got.is_adjusted
    np.testing.assert_allclose(got.comparison.p_value, got.unadjusted.p_value)
    assert ancova(*moments_of((c, t))).is_adjusted


def test_perfect_fit_and_constant_outcome_are_nan_not_a_p_value():
    c, t = arms_of_units(32)
    c[:, 0], t[:, 0] = c[:, 1] + 2 * c[:, 2], t[:, 1] - t[:, 2]
    assert np.isnan(lin(*moments_of((c, t))).comparison.p_value)
    c[:, 0] = t[:, 0] = 0.1
    got = lin(*moments_of((c, t)))
    assert np.isnan(got.comparison.p_value)
    assert np.isnan(got.variance_reduction)


@pytest.mark.parametrize("n", [0, 1])
def test_an_arm_with_fewer_than_two_units_is_nan(n):
    c, t = arms_of_units(33)
    for compare in (lin, ancova):
        got = compare(*moments_of((c[:n], t)))
        assert np.isnan(got.comparison.p_value)
        assert np.isnan(got.unadjusted.p_value)


def test_all_cells_at_once_are_one_cell_at_a_time():
    cells = [arms_of_units(40 + i) for i in range(4)]
    cells.append((cells[0][0][:1], cells[0][1]))
    cells.append((cells[1][0] * [1, np.nan, 1], cells[1][1]))
    control, treatment = moments_of([c for c, _ in cells]), moments_of([t for _, t in cells])
    for options in ({}, {"se_type": "classical"}, {"target": "population"}):
        together = lin(control, treatment, **options)
        for i in range(len(cells)):
            alone = lin(control[i], treatment[i], **options)
            for a, b in zip(together.comparison, alone.comparison, strict=True):
                np.testing.assert_allclose(a[i], b)
            np.testing.assert_array_equal(together.covariates_used[i], alone.covariates_used)
    assert np.isfinite(lin(control, treatment).comparison.p_value).tolist() == [True] * 4 + [False, True]


@settings(max_examples=30, deadline=None)
@given(shift=st.floats(-100, 100), scale=st.floats(0.1, 10), x_scale=st.floats(0.01, 100), seed=st.integers(0, 2**31))
def test_shift_and_scale(shift, scale, x_scale, seed):
    units = arms_of_units(seed)
    moved = [u * [scale, x_scale, 1.0] + [shift, -shift, 3.0] for u in units]
    for compare in (lin, ancova):
        a, b = compare(*moments_of(units)), compare(*moments_of(moved))
        np.testing.assert_allclose(b.comparison.effect, scale * a.comparison.effect, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(b.comparison.se, scale * a.comparison.se, rtol=1e-6)
        np.testing.assert_allclose(b.slopes_control[0] * x_scale, scale * a.slopes_control[0], rtol=1e-5, atol=1e-8)


def test_swapping_the_arms_turns_the_sign():
    units = arms_of_units(50)
    control, treatment = moments_of(units)
    for compare in (lin, ancova):
        there, back = compare(control, treatment).comparison, compare(treatment, control).comparison
        np.testing.assert_allclose(there.effect, -back.effect)
        np.testing.assert_allclose(there.p_value, back.p_value)
        np.testing.assert_allclose(there.ci_low, -back.ci_high)


def test_merged_cells_and_counted_zeros_give_the_pooled_answer():
    c, t = arms_of_units(51)
    days = np.array_split(c, 5)
    control = with_zeros(merge_groups(moments_of(days), np.zeros(5, dtype=int))[0], 9)
    wanted = lin(moments_of(np.vstack([c, np.zeros((9, 3))])), moments_of(t))
    np.testing.assert_allclose(lin(control, moments_of(t)).comparison.p_value, wanted.comparison.p_value)


def test_a_ratio_goes_wherever_a_mean_can():
    c, t = arms_of_units(52)
    units = [np.column_stack([u[:, 0], np.full(len(u), 4.0), u[:, 1:]]) for u in (c, t)]
    ratio = lin(*(linearised(moments_of(u), [(0, 1), 2, 3]) for u in units)).comparison
    mean = lin(*moments_of((c, t))).comparison
    np.testing.assert_allclose(ratio.effect, mean.effect / 4)
    np.testing.assert_allclose(ratio.p_value, mean.p_value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"se_type": "HC4"}, "se_type"),
        ({"se_type": "HC2"}, "residuals"),
        ({"residuals": ()}, "residuals"),
        ({"target": "everyone"}, "target"),
        ({"alpha": 0.0}, "alpha"),
        ({"alternative": "both"}, "alternative"),
    ],
)
def test_wrong_arguments_are_refused_in_words(options, words):
    with pytest.raises(ValueError, match=words):
        lin(*moments_of(arms_of_units(53)), **options)


def test_wrong_residual_type_is_refused_in_words():
    units = arms_of_units(54)
    moments = moments_of(units)
    with pytest.raises(ValueError, match="se_type"):
        residual_sums(units[0], moments[0], fit_arm(*moments)[0], "classical")
    with pytest.raises(ValueError, match="same variables"):
        lin(moments[0], moments[1].select([0]))
