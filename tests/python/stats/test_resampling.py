"""Bootstrap and permutation from bucket totals: theory, enumeration, invariances and cells without an answer."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtr

from python_stats.means.resampling import METHODS, WEIGHTS, bootstrap_difference, permutation_test


def buckets(rng, values, count, denominator=None):
    """Hash units to buckets and return the totals, as SQL does."""
    bucket = rng.integers(0, count, values.size)
    units = np.ones(values.size) if denominator is None else denominator
    return np.stack([np.bincount(bucket, values, count), np.bincount(bucket, units, count)], axis=-1)


def arms(seed, n=(4000, 3000), effect=0.0, count=200):
    rng = np.random.default_rng(seed)
    return [
        buckets(rng, rng.gamma(2.0, 3.0, size) + shift, count) for size, shift in zip(n, (0.0, effect), strict=True)
    ]


@pytest.mark.parametrize("weights", WEIGHTS)
def test_standard_error_is_the_delta_method_between_buckets(weights):
    control, treatment = arms(1)
    got = bootstrap_difference(control, treatment, weights=weights)
    variance = 0.0
    for total, units in (control.T, treatment.T):
        variance += ((total - total.sum() / units.sum() * units) ** 2).sum() / units.sum() ** 2
    # 4999 draws: relative Monte-Carlo error of a standard deviation 1 %.
    assert float(got.se) == pytest.approx(math.sqrt(variance), rel=0.04)


def test_standard_error_is_that_of_the_units():
    rng = np.random.default_rng(2)
    values = [rng.lognormal(size=20_000), rng.lognormal(size=30_000)]
    got = bootstrap_difference(*(buckets(rng, x, 1000) for x in values))
    assert float(got.effect) == pytest.approx(values[1].mean() - values[0].mean(), rel=1e-9)
    welch = math.sqrt(sum(x.var(ddof=1) / x.size for x in values))
    assert float(got.se) == pytest.approx(welch, rel=0.1)


@pytest.mark.parametrize("method", METHODS)
def test_limits_of_a_well_behaved_mean_are_the_normal_ones(method):
    control, treatment = arms(3, effect=0.3)
    got = bootstrap_difference(control, treatment, method=method, draws=9999)
    half = 1.959964 * float(got.se)
    assert float(got.ci_low) == pytest.approx(float(got.effect) - half, abs=0.08 * half)
    assert float(got.ci_high) == pytest.approx(float(got.effect) + half, abs=0.08 * half)


def test_percentile_limits_agree_with_scipy_on_equal_buckets():
    from scipy.stats import bootstrap

    rng = np.random.default_rng(4)
    samples = rng.exponential(size=60), rng.exponential(size=80) + 0.3
    totals = (np.stack([x, np.ones(x.size)], axis=-1) for x in samples)
    got = bootstrap_difference(*totals, method="percentile", draws=9999)
    want = bootstrap(
        samples, lambda c, t, axis: t.mean(axis=axis) - c.mean(axis=axis), n_resamples=9999, method="percentile", rng=5
    )
    # 9999 draws each: the limits' Monte-Carlo error is about 0.02 standard errors.
    assert float(got.se) == pytest.approx(want.standard_error, rel=0.04)
    assert float(got.ci_low) == pytest.approx(want.confidence_interval.low, abs=0.1 * want.standard_error)
    assert float(got.ci_high) == pytest.approx(want.confidence_interval.high, abs=0.1 * want.standard_error)


def test_studentized_limits_follow_the_definition():
    # Bootstrap-t by hand on the same weights: pivots with the delta-method standard error of every draw.
    control, treatment = arms(6, n=(300, 200), effect=1.0, count=30)
    rng = np.random.default_rng(11)
    estimates, errors, pivots = [], [], 0.0
    for totals in (control, treatment):
        drawn = rng.multinomial(30, np.full(30, 1 / 30), size=999)
        ratios = [(row @ totals[:, 0]) / (row @ totals[:, 1]) for row in np.vstack([np.ones(30), drawn])]
        spread = [
            math.sqrt(30 / 29 * (row @ (totals[:, 0] - ratio * totals[:, 1]) ** 2)) / (row @ totals[:, 1])
            for row, ratio in zip(np.vstack([np.ones(30), drawn]), ratios, strict=True)
        ]
        estimates.append(np.array(ratios))
        errors.append(np.array(spread))
    effects, errors = estimates[1] - estimates[0], np.hypot(*errors)
    pivots = np.sort((effects[1:] - effects[0]) / errors[1:])
    got = bootstrap_difference(control, treatment, method="studentized", draws=999, seed=11)
    assert float(got.ci_low) == pytest.approx(effects[0] - pivots[-25] * errors[0], rel=1e-9)
    assert float(got.ci_high) == pytest.approx(effects[0] - pivots[24] * errors[0], rel=1e-9)
    seen = effects[0] / errors[0]
    share = min((1 + (pivots >= seen).sum()) / 1000, (1 + (pivots <= seen).sum()) / 1000)
    assert float(got.p_value) == pytest.approx(2 * share, rel=1e-9)


def by_hand(control, treatment, seed, draws=999):
    """Deviations of both arms' widened draws, their ratios, and the degrees of freedom between buckets."""
    rng = np.random.default_rng(seed)
    ratios, moved, parts = [], [], []
    for totals in (control, treatment):
        count = len(totals)
        drawn = rng.multinomial(count, np.full(count, 1 / count), size=draws)
        ratio = totals[:, 0].sum() / totals[:, 1].sum()
        moved.append(math.sqrt(count / (count - 1)) * ((drawn @ totals[:, 0]) / (drawn @ totals[:, 1]) - ratio))
        ratios.append(ratio)
        residual = totals[:, 0] - ratio * totals[:, 1]
        parts.append((count / (count - 1) * (residual**2).sum() / totals[:, 1].sum() ** 2, count - 1))
    df = sum(part for part, _ in parts) ** 2 / sum(part**2 / own for part, own in parts)
    return ratios, moved, df


def test_symmetric_limits_follow_the_definition():
    control, treatment = arms(6, n=(300, 200), effect=1.0, count=30)
    ratios, moved, df = by_hand(control, treatment, 11)
    effect, distances = ratios[1] - ratios[0], np.sort(np.abs(moved[1] - moved[0]))
    got = bootstrap_difference(control, treatment, draws=999, seed=11)
    assert float(got.df) == pytest.approx(df)
    tail = ndtr(-stats.t.isf(0.025, df))
    half = distances[-math.floor(1000 * 2 * tail)]
    assert (float(got.ci_low), float(got.ci_high)) == pytest.approx((effect - half, effect + half), rel=1e-9)
    share = (1 + (distances >= abs(effect)).sum()) / 1000
    assert float(got.p_value) == pytest.approx(2 * stats.t.sf(stats.norm.isf(share / 2), df), rel=1e-9)
    assert float(got.se) == pytest.approx((moved[1] - moved[0]).std(), rel=1e-9)


def test_symmetric_limits_of_the_lift_are_the_lifts_that_the_test_does_not_reject():
    control, treatment = arms(6, n=(300, 200), effect=1.0, count=30)
    ratios, moved, df = by_hand(control, treatment, 11)
    got = bootstrap_difference(control, treatment, draws=999, seed=11)
    allowed = math.floor(1000 * 2 * ndtr(-stats.t.isf(0.025, df)))

    def is_rejected(lift):
        distance = np.abs(moved[1] - (1 + lift) * moved[0])
        return 1 + (distance >= abs(ratios[1] - (1 + lift) * ratios[0])).sum() <= allowed

    width = float(got.lift_ci_high - got.lift_ci_low)
    for limit, outwards in ((float(got.lift_ci_low), -1), (float(got.lift_ci_high), 1)):
        assert is_rejected(limit + 1e-6 * outwards * width)
        assert not is_rejected(limit - 1e-6 * outwards * width)


def test_symmetric_interval_follows_few_buckets_and_the_swap_of_the_arms():
    control, treatment = arms(6, effect=0.3, count=400)
    many, back = bootstrap_difference(control, treatment), bootstrap_difference(treatment, control)
    assert float(back.effect) == -float(many.effect)
    assert float(back.se) == pytest.approx(float(many.se), rel=0.05)
    few = bootstrap_difference(*(totals.reshape(5, 80, 2).sum(axis=1) for totals in (control, treatment)))
    assert float(few.df) < 9 < 600 < float(many.df)
    # Five buckets an arm: t(8) has limits 18 % wider than the normal.
    assert float(few.ci_high - few.ci_low) / float(few.se) > 1.1 * float(many.ci_high - many.ci_low) / float(many.se)


def test_trap_equal_tails_follow_the_largest_value_and_reject_too_often():
    """The sample with the largest value has an effect away from zero and short tails towards it."""
    rng = np.random.default_rng(25)
    rejected = dict.fromkeys(METHODS, 0)
    totals = np.stack([rng.lognormal(0.0, 2.0, (2, 2000, 50, 10)).sum(axis=-1), np.full((2, 2000, 50), 10.0)], axis=-1)
    for method in METHODS:
        rejected[method] = (bootstrap_difference(*totals, method=method, draws=399).p_value <= 0.05).mean()
    assert rejected["symmetric"] < 0.05 < 0.06 < rejected["percentile"] < rejected["studentized"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("alternative", ["two_sided", "greater", "less"])
def test_interval_excludes_zero_exactly_when_p_is_at_most_alpha(method, alternative):
    rng = np.random.default_rng(7)
    control = np.stack([rng.normal(10, 1, (120, 40)), np.full((120, 40), 5.0)], axis=-1)
    treatment = np.stack([rng.normal(10.35, 1, (120, 40)), np.full((120, 40), 5.0)], axis=-1)
    got = bootstrap_difference(control, treatment, method=method, draws=399, alternative=alternative)
    excluded = (got.ci_low > 0) | (got.ci_high < 0)
    assert 0 < excluded.sum() < 120 or alternative == "less"
    np.testing.assert_array_equal(excluded, got.p_value <= 0.05)
    # One pre-specified hypothesis decides: the interval of the lift agrees with that of the effect.
    if method != "studentized":
        np.testing.assert_array_equal((got.lift_ci_low > 0) | (got.lift_ci_high < 0), excluded)


def test_trap_one_sided_test_has_a_one_sided_interval():
    got = bootstrap_difference(*arms(8, effect=0.2), alternative=["two_sided", "greater", "less"])
    assert got.ci_low[2] == -np.inf
    assert got.ci_high[1] == np.inf
    assert got.ci_low[1] > got.ci_low[0]
    assert got.ci_high[2] < got.ci_high[0]


def test_trap_negative_control_mean_keeps_the_sign_of_the_lift():
    shift = np.array([[1.0, 0.0], [-100.0, 1.0]])
    control, treatment = (totals @ shift for totals in arms(9, effect=1.0))
    for method in METHODS:
        got = bootstrap_difference(control, treatment, method=method)
        assert got.effect > 0
        assert got.lift > 0
        assert got.lift_ci_low > 0
        assert got.lift_ci_low < got.lift < got.lift_ci_high


def test_trap_control_mean_near_zero_the_absolute_effect_survives():
    steps = np.arange(-50.0, 51.0)
    control = np.stack([steps, np.full(101, 10.0)], axis=-1)
    treatment = np.stack([steps + 50.0, np.full(101, 10.0)], axis=-1)
    for middle in (0.0, 0.5):
        got = bootstrap_difference(control + np.array([middle, 0.0]), treatment)
        assert np.isfinite([got.effect, got.se, got.p_value, got.ci_low, got.ci_high]).all()
        assert np.isnan([got.lift_ci_low, got.lift_ci_high]).all()
        assert np.isnan(got.lift) == (middle == 0.0)


def test_draws_in_which_the_control_changes_sign_count_on_both_sides_of_the_lift():
    rng = np.random.default_rng(23)
    control = np.stack([rng.normal(size=50), np.ones(50)], axis=-1)
    control[:, 0] += 2.4 * control[:, 0].std() / math.sqrt(50) - control[:, 0].mean()
    treatment = np.stack([rng.normal(0.5, 1.0, 50), np.ones(50)], axis=-1)
    got = bootstrap_difference(control, treatment, method="percentile", draws=999, seed=5)
    rng = np.random.default_rng(5)
    drawn = [rng.multinomial(50, np.full(50, 0.02), size=999) @ totals[:, 0] / 50 for totals in (control, treatment)]
    lift = drawn[1] / drawn[0] - 1.0
    changed = drawn[0] <= 0
    assert 0 < changed.sum() < 25
    low, high = (np.sort(np.where(changed, beyond, lift)) for beyond in (-np.inf, np.inf))
    assert float(got.lift_ci_low) == pytest.approx(low[24], rel=1e-9)
    assert float(got.lift_ci_high) == pytest.approx(high[-25], rel=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_shift_scale_and_exchange_of_numerator_unit(method):
    control, treatment = arms(12, effect=0.2)
    plain = bootstrap_difference(control, treatment, method=method, draws=499)
    scaled = bootstrap_difference(control * [7.0, 1.0], treatment * [7.0, 1.0], method=method, draws=499)
    shift = np.array([[1.0, 0.0], [1e6, 1.0]])
    moved = bootstrap_difference(control @ shift, treatment @ shift, method=method, draws=499)
    for field in ("effect", "se", "ci_low", "ci_high"):
        assert float(getattr(scaled, field)) == pytest.approx(7.0 * float(getattr(plain, field)), rel=1e-9)
        assert float(getattr(moved, field)) == pytest.approx(float(getattr(plain, field)), rel=1e-5)
    for field in ("p_value", "lift", "lift_ci_low"):
        assert float(getattr(scaled, field)) == pytest.approx(float(getattr(plain, field)), rel=1e-9)


def test_ratio_metric_in_which_every_unit_has_its_own_denominator():
    rng = np.random.default_rng(13)
    pieces = []
    for lift in (1.0, 1.1):
        sessions = rng.poisson(3.0, 5000).astype(float)
        clicks = rng.binomial(sessions.astype(int), 0.2 * lift).astype(float)
        pieces.append((clicks, sessions, buckets(rng, clicks, 250, sessions)))
    got = bootstrap_difference(pieces[0][2], pieces[1][2])
    ratios = [clicks.sum() / sessions.sum() for clicks, sessions, _ in pieces]
    assert float(got.effect) == pytest.approx(ratios[1] - ratios[0], rel=1e-12)
    variance = sum(
        ((clicks - ratio * sessions) ** 2).sum() / sessions.sum() ** 2
        for (clicks, sessions, _), ratio in zip(pieces, ratios, strict=True)
    )
    assert float(got.se) == pytest.approx(math.sqrt(variance), rel=0.2)


def test_a_cell_does_not_depend_on_its_neighbours_and_shapes_broadcast():
    pairs = [arms(seed, n=(200, 300), effect=0.5, count=20) for seed in range(70)]
    control, treatment = (np.stack(side) for side in zip(*pairs, strict=True))
    together = bootstrap_difference(
        control, treatment, draws=499, method="studentized", alpha=np.resize([0.05, 0.1], 70)
    )
    tests = permutation_test(control, treatment, draws=499)
    for cell in (0, 1, 69):
        alone = bootstrap_difference(*pairs[cell], draws=499, method="studentized", alpha=[0.05, 0.1][cell % 2])
        for field in together._fields:
            assert float(getattr(alone, field)) == pytest.approx(float(getattr(together, field)[cell]), rel=1e-9)
        assert float(permutation_test(*pairs[cell], draws=499).p_value) == tests.p_value[cell]
    one_control = bootstrap_difference(control[0], treatment.reshape(7, 10, 20, 2), draws=99)
    assert one_control.ci_low.shape == (7, 10)
    assert bootstrap_difference(np.empty((0, 20, 2)), np.empty((0, 20, 2)), draws=99).p_value.shape == (0,)


def test_seed_decides():
    control, treatment = arms(14)
    first, again, other = (bootstrap_difference(control, treatment, draws=199, seed=seed) for seed in (1, 1, 2))
    assert float(first.ci_low) == float(again.ci_low) != float(other.ci_low)


# ---- permutation


def studentized(control, treatment):
    parts = []
    for totals in (control, treatment):
        total, units = totals.T
        ratio = total.sum() / units.sum()
        count = len(totals)
        variance = count / (count - 1) * ((total - ratio * units) ** 2).sum() / units.sum() ** 2
        parts.append((ratio, variance))
    return (parts[1][0] - parts[0][0]) / math.sqrt(parts[0][1] + parts[1][1])


def test_permutation_p_is_that_of_the_enumeration():
    rng = np.random.default_rng(15)
    control = np.stack([rng.normal(10, 3, 5), rng.integers(3, 9, 5)], axis=-1)
    treatment = np.stack([rng.normal(14, 3, 4), rng.integers(3, 9, 4)], axis=-1)
    pooled = np.vstack([control, treatment])
    seen = studentized(control, treatment)
    all_statistics = np.array(
        [studentized(np.delete(pooled, chosen, axis=0), pooled[list(chosen)]) for chosen in combinations(range(9), 4)]
    )
    draws = 19_999
    for alternative, extreme in (
        ("two_sided", np.abs(all_statistics) >= abs(seen) - 1e-9),
        ("greater", all_statistics >= seen - 1e-9),
        ("less", all_statistics <= seen + 1e-9),
    ):
        got = permutation_test(control, treatment, draws=draws, alternative=alternative)
        assert float(got.statistic) == pytest.approx(seen, rel=1e-9)
        exact = extreme.mean()
        assert float(got.p_value) == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / draws) + 1e-4)


def test_permutation_of_many_buckets_agrees_with_the_normal_reference():
    control, treatment = arms(16, effect=0.25)
    got = permutation_test(control, treatment, draws=9999)
    want = 2 * float(ndtr(-abs(studentized(control, treatment))))
    assert float(got.p_value) == pytest.approx(want, abs=0.01 + 0.1 * want)


def test_permutation_false_positives_with_an_uneven_split_and_unequal_spread():
    rng = np.random.default_rng(17)
    cells = 300
    control = np.stack([rng.normal(0, 1, (cells, 90)), np.ones((cells, 90))], axis=-1)
    treatment = np.stack([rng.normal(0, 5, (cells, 20)), np.ones((cells, 20))], axis=-1)
    got = permutation_test(control, treatment, draws=399)
    # A plain difference would reject about 20 % here; 4 Monte-Carlo errors around 5 %.
    assert abs((got.p_value <= 0.05).mean() - 0.05) < 4 * math.sqrt(0.05 * 0.95 / cells)


def test_permutation_p_is_never_zero_and_ties_count():
    control = np.stack([np.arange(30.0), np.ones(30)], axis=-1)
    got = permutation_test(control, control + np.array([1000.0, 0.0]), draws=199)
    assert float(got.p_value) == 1 / 200
    same = permutation_test(control, control, draws=199)
    assert float(same.p_value) == 1.0


def test_permutations_that_tie_in_exact_arithmetic_count_as_extreme():
    rng = np.random.default_rng(24)
    units = np.full(4, 7.0)
    for _ in range(10):
        # Complete separation, equal arms: of 70 assignments the observed one and its mirror image are as extreme.
        control = np.stack([rng.uniform(0.0, 0.1, 4), units], axis=-1)
        treatment = np.stack([rng.uniform(10.0, 10.1, 4), units], axis=-1)
        got = permutation_test(control, treatment, draws=3999)
        assert float(got.p_value) == pytest.approx(2 / 70, abs=4 * math.sqrt(2 / 70 / 3999))


# ---- cells without an answer


@pytest.mark.parametrize("value", [0.0, 0.1, 3.7])
def test_trap_a_constant_metric_has_no_p_value(value):
    rng = np.random.default_rng(18)
    units = rng.integers(20, 40, (2, 50)).astype(float)
    control, treatment = (np.stack([value * n, n], axis=-1) for n in units)
    for method in METHODS:
        got = bootstrap_difference(control, treatment, method=method, draws=199)
        assert float(got.effect) == pytest.approx(0.0, abs=1e-12)
        assert np.isnan([got.se, got.p_value, got.ci_low, got.ci_high, got.lift_ci_low, got.lift_ci_high]).all()
    test = permutation_test(control, treatment, draws=199)
    assert np.isnan([test.statistic, test.p_value]).all()


def test_bad_cells_are_nan_and_the_others_are_not_touched():
    control, treatment = arms(19, n=(500, 500), effect=0.4, count=20)
    missing, no_units, one_bucket = control.copy(), np.zeros_like(control), np.zeros_like(control)
    missing[3, 0] = np.nan
    one_bucket[4] = [30.0, 10.0]
    stacked = np.stack([control, missing, no_units, one_bucket])
    for method in METHODS:
        got = bootstrap_difference(stacked, treatment, method=method, draws=199)
        alone = bootstrap_difference(control, treatment, method=method, draws=199)
        for field in got._fields:
            values = getattr(got, field)
            assert float(values[0]) == pytest.approx(float(getattr(alone, field)), rel=1e-12)
            assert np.isnan(values[1:3]).all()
            assert field in ("effect", "lift") or np.isnan(values[3])
    test = permutation_test(stacked, treatment, draws=199)
    np.testing.assert_array_equal(np.isnan(test.p_value), [False, True, True, True])
    np.testing.assert_array_equal(np.isnan(test.effect), [False, True, True, False])


def test_empty_buckets_are_buckets_but_do_not_make_an_arm_larger():
    control, treatment = arms(20, n=(300, 300), count=50)
    padded = np.vstack([control, np.zeros((50, 2))])
    plain, wide = (
        bootstrap_difference(x, treatment, weights="poisson", method="studentized") for x in (control, padded)
    )
    assert float(wide.effect) == float(plain.effect)
    assert float(wide.se) == pytest.approx(float(plain.se), rel=0.05)
    assert float(wide.ci_low) == pytest.approx(float(plain.ci_low), abs=0.1 * float(plain.se))


def test_too_few_draws_for_an_alpha_give_no_limit():
    got = bootstrap_difference(*arms(21), draws=199, alpha=[0.05, 0.001])
    assert np.isfinite(got.ci_low[0])
    assert np.isnan([got.ci_low[1], got.ci_high[1]]).all()


def test_wrong_arguments_are_refused_in_words():
    control, treatment = arms(22, count=10)
    with pytest.raises(ValueError, match="method must be one of"):
        bootstrap_difference(control, treatment, method="bca")
    with pytest.raises(ValueError, match="weights must be one of"):
        bootstrap_difference(control, treatment, weights="normal")
    with pytest.raises(ValueError, match="draws must be at least 1"):
        permutation_test(control, treatment, draws=0)
    with pytest.raises(ValueError, match="shape"):
        permutation_test(control[:, 0], treatment[:, 0])
    with pytest.raises(ValueError, match="alternative"):
        permutation_test(control, treatment, alternative="up")
