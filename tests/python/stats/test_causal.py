"""Complier effects and differences in differences: reference cases, regressions, traps and invariances."""

from __future__ import annotations

import math

import numpy as np
import pytest

from python_stats.adjustment.causal import CACE_ERRORS, DID_ERRORS, cace, difference_in_differences
from python_stats.means.welch import welch_t


def arm(y, d, weight=None):
    """Return the moments of an arm, as SQL computes them."""
    cov = np.cov(y, d, fweights=weight)
    n = len(y) if weight is None else weight.sum()
    return np.average(y, weights=weight), np.average(d, weights=weight), cov[0, 0], cov[1, 1], cov[0, 1], n


def trial(seed, n=(300, 200), effect=1.0, uptake=(0.1, 0.7)):
    rng = np.random.default_rng(seed)
    arms = []
    for size, share in zip(n, uptake, strict=True):
        frailty = rng.normal(size=size)
        exposed = (rng.random(size) < share) & (frailty < 1.0)
        arms.append((3.0 + frailty + effect * exposed + rng.normal(size=size), exposed.astype(float)))
    return arms


def test_vitamin_a_matches_r(oracle_case):
    # per_protocol_diff and as_treated_diff are not ours: they compare self-selected groups, see the test below.
    case = oracle_case("cace_vitaminA")
    data = case.table()
    arms = []
    for z in (0, 1):
        rows = data["z"] == z
        arms.append(arm(data["y"][rows], data["d"][rows], data["n"][rows].astype(int)))
    for kind, key in (("iid", "se_2sls_iid"), ("hc0", "se_hc0"), ("hc1", "se_hc1"), ("hc2", "se_hc2")):
        case.check(key, cace(*arms[0], *arms[1], standard_error=kind).se)
    got = cace(*arms[0], *arms[1])
    case.check("se_delta_neyman", got.se)
    case.check("cace", got.effect)
    case.check("compliance", got.compliance)
    case.check("p_hc2", got.p_value)
    case.check("ci95_hc2", [got.ci_low, got.ci_high])
    case.check("ci95_anderson_rubin_neyman_z", [got.ar_ci_low, got.ar_ci_high])
    case.check("first_stage_t_hc2", got.first_stage_t)
    assert got.ar_method == "bounded"
    itt = welch_t(arms[0][0], arms[0][2], arms[0][5], arms[1][0], arms[1][2], arms[1][5])
    case.check("itt", itt.effect)
    case.check("itt_se_hc2", itt.se)
    for biased in ("per_protocol_diff", "as_treated_diff"):
        assert abs(case.expected[biased] / float(got.effect) - 1) > 0.5


def two_stage_least_squares(control, treatment):
    """Textbook matrices: coefficient and HC0, HC2, iid standard errors of the exposure."""
    z = np.repeat([0.0, 1.0], [len(control[0]), len(treatment[0])])
    y, d = (np.concatenate(pair) for pair in zip(control, treatment, strict=True))
    instruments, regressors = np.column_stack([np.ones(z.size), z]), np.column_stack([np.ones(z.size), d])
    hat = instruments @ np.linalg.solve(instruments.T @ instruments, instruments.T)
    fitted = hat @ regressors
    bread = np.linalg.inv(fitted.T @ fitted)
    coefficient = bread @ fitted.T @ y
    residual = y - regressors @ coefficient
    errors = {
        "hc0": residual**2,
        "hc1": residual**2 * z.size / (z.size - 2),
        "hc2": residual**2 / (1 - np.diag(hat)),
        "iid": np.full(z.size, (residual**2).sum() / (z.size - 2)),
    }
    return coefficient[1], {
        kind: math.sqrt((bread @ (fitted.T * square) @ fitted @ bread)[1, 1]) for kind, square in errors.items()
    }


@pytest.mark.parametrize("kind", CACE_ERRORS)
def test_moments_give_two_stage_least_squares(kind):
    for seed in range(3):
        control, treatment = trial(seed, n=(37, 52))
        effect, errors = two_stage_least_squares(control, treatment)
        got = cace(*arm(*control), *arm(*treatment), standard_error=kind)
        assert float(got.effect) == pytest.approx(effect, rel=1e-9)
        assert float(got.se) == pytest.approx(errors[kind], rel=1e-9)
        assert float(got.df) == 87.0


def test_full_compliance_is_the_difference_of_means():
    rng = np.random.default_rng(4)
    control, treatment = rng.normal(size=50), rng.normal(1.0, 2.0, size=80)
    got = cace(control.mean(), 0, control.var(ddof=1), 0, 0, 50, treatment.mean(), 1, treatment.var(ddof=1), 0, 0, 80)
    welch = welch_t(control.mean(), control.var(ddof=1), 50, treatment.mean(), treatment.var(ddof=1), 80)
    assert float(got.effect) == pytest.approx(float(welch.effect))
    assert float(got.se) == pytest.approx(float(welch.se))
    half = 1.959963984540054 * float(welch.se)
    assert float(got.ar_ci_high - got.ar_ci_low) == pytest.approx(2 * half)
    assert np.isnan(got.first_stage_t)


def test_trap_the_intent_to_treat_error_over_compliance_is_not_the_standard_error():
    control, treatment = trial(5, n=(4000, 4000), effect=3.0)
    got = cace(*arm(*control), *arm(*treatment))
    itt = welch_t(*(arm(*control)[k] for k in (0, 2, 5)), *(arm(*treatment)[k] for k in (0, 2, 5)))
    assert abs(float(itt.se / got.compliance) / float(got.se) - 1) > 0.05


def in_anderson_rubin_set(value, control, treatment, z):
    left, right = control[0] - value * control[1], treatment[0] - value * treatment[1]
    variance = left.var(ddof=1) / left.size + right.var(ddof=1) / right.size
    return (right.mean() - left.mean()) ** 2 <= z**2 * variance


@pytest.mark.parametrize(
    ("uptake", "shape"), [((0.1, 0.7), "bounded"), ((0.45, 0.5), None), ((0.5, 0.5), None), ((0.3, 0.3), None)]
)
def test_anderson_rubin_set_holds_what_the_test_accepts(uptake, shape):
    seen = set()
    for seed in range(12):
        control, treatment = trial(seed, n=(120, 150), uptake=uptake, effect=2.0)
        got = cace(*arm(*control), *arm(*treatment))
        seen.add(str(got.ar_method))
        far = [in_anderson_rubin_set(value, control, treatment, 1.959964) for value in (-1e6, 1e6)]
        if got.ar_method == "bounded":
            assert far == [False, False]
            width = float(got.ar_ci_high - got.ar_ci_low)
            for limit, inward in ((float(got.ar_ci_low), 1), (float(got.ar_ci_high), -1)):
                assert in_anderson_rubin_set(limit + inward * 1e-4 * width, control, treatment, 1.959964)
                assert not in_anderson_rubin_set(limit - inward * 1e-4 * width, control, treatment, 1.959964)
        else:
            assert far == [True, True]
            assert (got.ar_ci_low, got.ar_ci_high) == (-np.inf, np.inf)
            grid = float(got.effect) + np.concatenate([-np.geomspace(1e6, 1e-2, 300), np.geomspace(1e-2, 1e6, 300)])
            accepted = [in_anderson_rubin_set(value, control, treatment, 1.959964) for value in grid]
            assert all(accepted) == (got.ar_method == "unbounded")
    assert shape is None or seen == {shape}
    if shape is None and uptake[0] == uptake[1]:
        assert len(seen) >= 2


def test_anderson_rubin_interval_excludes_zero_exactly_when_the_intent_to_treat_z_test_rejects():
    for seed in range(30):
        control, treatment = trial(seed, n=(60, 60), effect=0.8)
        got = cace(*arm(*control), *arm(*treatment))
        itt = treatment[0].mean() - control[0].mean()
        se = math.sqrt(control[0].var(ddof=1) / 60 + treatment[0].var(ddof=1) / 60)
        assert ((got.ar_ci_low > 0) | (got.ar_ci_high < 0)) == (abs(itt / se) > 1.959963984540054)


def test_trap_one_sided_tests_have_one_sided_intervals():
    control, treatment = trial(6)
    got = cace(*arm(*control), *arm(*treatment), alternative=["two_sided", "greater", "less"])
    for low, high in ((got.ci_low, got.ci_high), (got.ar_ci_low, got.ar_ci_high)):
        assert low[2] == -np.inf
        assert high[1] == np.inf
        assert low[1] > low[0]
        assert high[2] < high[0]


def test_complier_effect_shift_scale_and_exchange_of_the_arms():
    control, treatment = trial(7)
    plain = cace(*arm(*control), *arm(*treatment))
    moved = cace(*arm(5.0 + 3.0 * control[0], control[1]), *arm(5.0 + 3.0 * treatment[0], treatment[1]))
    swapped = cace(*arm(*treatment), *arm(*control))
    unexposed = cace(*arm(control[0], 1 - control[1]), *arm(treatment[0], 1 - treatment[1]))
    for field in ("effect", "se", "ci_low", "ci_high", "ar_ci_low", "ar_ci_high"):
        assert float(getattr(moved, field)) == pytest.approx(3.0 * float(getattr(plain, field)), rel=1e-9)
        assert float(getattr(swapped, field)) == pytest.approx(float(getattr(plain, field)), rel=1e-9)
    assert float(unexposed.effect) == pytest.approx(-float(plain.effect), rel=1e-9)
    assert float(unexposed.ar_ci_low) == pytest.approx(-float(plain.ar_ci_high), rel=1e-9)


def test_planted_complier_effect_is_covered():
    covered = []
    for seed in range(200):
        control, treatment = trial(1000 + seed, n=(150, 150), effect=1.5)
        got = cace(*arm(*control), *arm(*treatment))
        covered.append([got.ci_low <= 1.5 <= got.ci_high, got.ar_ci_low <= 1.5 <= got.ar_ci_high])
    # 4 Monte-Carlo errors around 95 %.
    assert np.all(np.abs(np.mean(covered, axis=0) - 0.95) < 4 * math.sqrt(0.05 * 0.95 / 200))


def test_bad_cells_are_nan_and_the_others_are_not_touched():
    control, treatment = (np.tile(arm(*side), (6, 1)) for side in trial(8))
    treatment[1, 1] = control[1, 1]
    control[2, 5] = 1
    control[3, 0] = np.nan
    treatment[4, 2] = -1.0
    control[5, 2:5] = treatment[5, 2:5] = 0.0
    got = cace(*control.T, *treatment.T)
    alone = cace(*control[0], *treatment[0])
    for field in got._fields[:-1]:
        assert float(getattr(got, field)[0]) == pytest.approx(float(getattr(alone, field)), rel=1e-12)
    for field in ("p_value", "ci_low", "ar_ci_low", "ar_ci_high"):
        assert np.isnan(getattr(got, field)[1:]).all(), field
    assert got.ar_method.tolist() == ["bounded"] + ["undefined"] * 5
    np.testing.assert_array_equal(np.isnan(got.effect), [False, True, False, True, False, False])
    assert float(got.compliance[1]) == 0.0


# ---- difference in differences


def gains(pre, post):
    cov = np.cov(pre, post)
    return pre.mean(), post.mean(), cov[0, 0], cov[1, 1], cov[0, 1], len(pre)


def test_anorexia_matches_r(oracle_case):
    # se_pooled_ols_naive is not ours: it ignores that both values are of one person (asserted to differ).
    case = oracle_case("did_2x2_anorexia")
    data = case.table()
    arms = []
    for group in (0, 1):
        pre, post = (data["y"][(data["t"] == group) & (data["post"] == when)] for when in (0, 1))
        arms.append(gains(pre, post))
    results = {kind: difference_in_differences(*arms[0], *arms[1], standard_error=kind) for kind in DID_ERRORS}
    for result in results.values():
        case.check("est", result.effect)
    case.check("CR2_se", results["cr2"].se)
    case.check("CR2_df", results["cr2"].df)
    case.check("CR2_p", results["cr2"].p_value)
    case.check("gain_score_welch_se", results["welch"].se)
    case.check("gain_score_welch_p", results["welch"].p_value)
    case.check("gain_score_pooled_t_p", results["pooled"].p_value)
    case.check("se_twfe_iid", results["pooled"].se)
    case.check("se_plm_twoways_iid", results["pooled"].se)
    case.check("se_pooled_cluster_stata", results["cr1_stata"].se)
    case.check("se_pooled_cluster_fixest", results["cr1_stata"].se)
    case.check("se_twfe_cluster_fixest", results["cr1_fixest"].se)
    for result in results.values():
        assert abs(case.expected["se_pooled_ols_naive"] / float(result.se) - 1) > 0.1


def panel(seed):
    rng = np.random.default_rng(seed)
    arms = []
    for size, effect in ((40, 0.0), (55, 1.0)):
        level = rng.normal(10.0, 3.0, size)
        arms.append((level + rng.normal(size=size), level + effect + rng.normal(size=size)))
    return arms


def test_trap_the_correlation_of_before_and_after_is_not_ignored():
    control, treatment = panel(1)
    got = difference_in_differences(*gains(*control), *gains(*treatment))
    post_only = welch_t(*gains(*control)[1::2][:2], 40, *gains(*treatment)[1::2][:2], 55)
    assert float(got.se) < 0.6 * float(post_only.se)


def test_stata_cluster_error_is_that_of_the_regression():
    control, treatment = panel(2)
    pre, post = (np.concatenate(pair) for pair in zip(control, treatment, strict=True))
    treated = np.repeat([0.0, 1.0], [40, 55])
    ones, zeros = np.ones(95), np.zeros(95)
    before = np.column_stack([ones, treated, zeros, zeros])
    after = np.column_stack([ones, treated, ones, treated])
    design, y = np.vstack([before, after]), np.concatenate([pre, post])
    bread = np.linalg.inv(design.T @ design)
    residual = y - design @ bread @ design.T @ y
    scores = before * residual[:95, None] + after * residual[95:, None]
    factor = 95 / 94 * 189 / 186
    want = math.sqrt(factor * (bread @ scores.T @ scores @ bread)[3, 3])
    got = difference_in_differences(*gains(*control), *gains(*treatment), standard_error="cr1_stata")
    assert float(got.se) == pytest.approx(want, rel=1e-9)
    assert float(got.df) == 94.0


@pytest.mark.parametrize("kind", DID_ERRORS)
def test_unit_levels_and_a_common_trend_do_not_matter(kind):
    control, treatment = panel(3)
    level = np.random.default_rng(4).normal(0, 5, 40)
    plain = difference_in_differences(*gains(*control), *gains(*treatment), standard_error=kind)
    moved = difference_in_differences(
        *gains(control[0] + level, control[1] + level + 7.0),
        *gains(treatment[0] + 100.0, treatment[1] + 107.0),
        standard_error=kind,
    )
    swapped = difference_in_differences(*gains(*treatment), *gains(*control), standard_error=kind)
    for field in plain._fields:
        assert float(getattr(moved, field)) == pytest.approx(float(getattr(plain, field)), rel=1e-6)
    assert float(swapped.effect) == pytest.approx(-float(plain.effect))
    assert float(swapped.ci_low) == pytest.approx(-float(plain.ci_high))
    assert float(swapped.p_value) == pytest.approx(float(plain.p_value))


@pytest.mark.parametrize("kind", DID_ERRORS)
def test_bad_cells_of_differences_in_differences_are_nan(kind):
    control, treatment = (np.tile(gains(*side), (5, 1)) for side in panel(5))
    control[1, 5] = 1
    treatment[2, 3] = np.nan
    # Every unit gains the same: the variance of the gain is zero up to rounding.
    for side in (control, treatment):
        side[3, 2:5] = 0.1 * 3, 0.3, 0.30000000000000004
        side[4, 2:5] = 1.0, 1.0, 5.0
    got = difference_in_differences(*control.T, *treatment.T, standard_error=kind)
    np.testing.assert_array_equal(np.isnan(got.p_value), [False, True, True, True, True])
    assert np.isfinite(got.effect).all()
    alone = difference_in_differences(*control[0], *treatment[0], standard_error=kind)
    for field in got._fields:
        assert float(getattr(got, field)[0]) == pytest.approx(float(getattr(alone, field)), rel=1e-12)


def test_wrong_arguments_are_refused_in_words():
    control, treatment = trial(9)
    with pytest.raises(ValueError, match="standard_error must be one of"):
        cace(*arm(*control), *arm(*treatment), standard_error="hc3")
    with pytest.raises(ValueError, match="standard_error must be one of"):
        difference_in_differences(*arm(*control), *arm(*treatment), standard_error="naive")
    with pytest.raises(ValueError, match="alternative"):
        cace(*arm(*control), *arm(*treatment), alternative="larger")
    with pytest.raises(ValueError, match="alpha"):
        cace(*arm(*control), *arm(*treatment), alpha=1.0)
