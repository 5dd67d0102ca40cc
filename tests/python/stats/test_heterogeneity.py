"""Segments: heterogeneity, pooling, shrinkage and interaction against metafor, R and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from python_stats.families.heterogeneity import cochran_q, fixed_effect, interaction_test, random_effects, shrink
from python_stats.means.welch import welch_t

# Rubin (1981), effects of SAT coaching in eight schools and their standard errors.
SCHOOLS = [28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0], [15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0]


def test_bcg_matches_metafor(oracle_case):
    # tau2, mu and se by REML and Paule-Mandel are not ours: iterative estimators of the same variance, whose shrunk
    # effects hardly differ; DerSimonian-Laird is in closed form.
    case = oracle_case("eb_dl_bcg")
    data = case.table()
    effect, se = data["yi"], np.sqrt(data["vi"])
    test = cochran_q(effect, se)
    case.check("Q", test.q)
    case.check("Q_df", test.df)
    case.check("Q_p", test.p_value)
    case.check("I2_pct", 100 * test.i2)
    case.check("H2", test.h2)
    pooled = fixed_effect(effect, se)
    case.check("mu_FE", pooled.effect)
    case.check("se_mu_FE", pooled.se)
    mixed = random_effects(effect, se)
    case.check("tau2_DL", mixed.tau2)
    case.check("mu_DL", mixed.effect)
    case.check("se_mu_DL", mixed.se)
    case.check("ci95_mu_DL", [mixed.ci_low[0], mixed.ci_high[0]])
    case.check("prediction_interval_DL", [mixed.prediction_low[0], mixed.prediction_high[0]])
    knapp = random_effects(effect, se, hartung_knapp=True)
    case.check("se_mu_DL_knha", knapp.se)
    case.check("p_mu_DL_knha", knapp.p_value)
    shrunk = shrink(effect, se)
    case.check("shrunk_blup", shrunk.effect)
    case.check("shrunk_blup_se", shrunk.se)
    case.check("shrinkage_weight", shrunk.weight)


def test_eight_schools_match_metafor(oracle_case):
    # tau2_REML is not ours (see above); it is 0 as well.
    case = oracle_case("eb_eight_schools")
    data = case.table()
    effect, se = data["y"], data["se"]
    pooled, test = fixed_effect(effect, se), cochran_q(effect, se)
    case.check("mu_FE", pooled.effect)
    case.check("se_FE", pooled.se)
    case.check("Q", test.q)
    case.check("Q_p", test.p_value)
    case.check("I2", test.i2)
    case.check("tau2_DL", random_effects(effect, se).tau2)
    case.check("shrunk", shrink(effect, se).effect)


def test_trap_tau2_is_truncated_at_zero():
    # statsmodels 0.15 combine_effects(method_re="dl") gives tau2 = -44.6, mean 7.05 (3.11); metafor 0, 7.69 (4.07).
    mixed = random_effects(*SCHOOLS)
    assert mixed.tau2[0] == 0.0
    assert float(mixed.effect[0]) == pytest.approx(7.68561672495604, rel=1e-12)
    assert float(mixed.se[0]) == pytest.approx(4.0719191584023, rel=1e-12)
    assert cochran_q(*SCHOOLS).i2[0] == 0.0
    shrunk = shrink(*SCHOOLS)
    np.testing.assert_allclose(shrunk.effect, mixed.effect[0], rtol=1e-12)
    np.testing.assert_array_equal(shrunk.weight, 0.0)


def test_segments_match_metafor_and_the_regression(oracle_case):
    # pooled_rd_mh, cmh_* and mh_common_or are not ours: Mantel-Haenszel pools counts of binary outcomes, not effects.
    case = oracle_case("hte_cochran_q")
    data = case.table("cases/ucb_by_dept.csv")
    female, male = data["f_adm"] / data["f_n"], data["m_adm"] / data["m_n"]
    effect = female - male
    variance = female * (1 - female) / data["f_n"] + male * (1 - male) / data["m_n"]
    case.check("rd", effect)
    case.check("rd_var", variance)
    test, pooled = cochran_q(effect, np.sqrt(variance)), fixed_effect(effect, np.sqrt(variance))
    case.check("Q_rd", test.q)
    case.check("Q_df", test.df)
    case.check("Q_rd_p", test.p_value)
    case.check("pooled_rd_ivw", pooled.effect)
    case.check("pooled_rd_se", pooled.se)
    cells = data["f_adm"], data["f_n"] - data["f_adm"], data["m_adm"], data["m_n"] - data["m_adm"]
    test = cochran_q(np.log(cells[0] * cells[3] / (cells[1] * cells[2])), np.sqrt(sum(1 / cell for cell in cells)))
    case.check("Q_log_or", test.q)
    case.check("Q_log_or_p", test.p_value)

    star = case.table("cases/star_k.csv")
    # The reference run counts the 9 pupils of unknown lunch status as not free.
    kept = star["readk"] != ""
    score, small, free = (
        star["readk"][kept].astype(float),
        star["stark"][kept] == "small",
        star["lunchk"][kept] == "free",
    )
    effects = []
    for segment, key in ((~free, "effect_l0"), (free, "effect_l1")):
        arms = [score[segment & arm] for arm in (~small, small)]
        result = welch_t(*(moment for x in arms for moment in (x.mean(), x.var(ddof=1), x.size)))
        case.check(key, [result.effect, result.se])
        effects += [result.effect, result.se]
    normal, regression = interaction_test(*effects), interaction_test(*effects, df=score.size - 4)
    case.check("interaction_est", normal.effect)
    case.check("interaction_se_hc2", normal.se)
    case.check("interaction_z", normal.statistic)
    case.check("interaction_p_z", normal.p_value)
    case.check("interaction_p_t", regression.p_value)


def test_trap_significant_here_and_not_there_is_no_interaction():
    here, there = 3.0, 1.0
    result = interaction_test(here, 1.2, there, 1.2)
    assert here / 1.2 > 1.96
    assert there / 1.2 < 1.96
    assert float(result.p_value) > 0.2


def test_two_segments_q_is_the_square_of_the_interaction():
    test, interaction = cochran_q([1.0, 2.5], [0.4, 0.7]), interaction_test(1.0, 0.4, 2.5, 0.7)
    assert float(test.q[0]) == pytest.approx(float(interaction.statistic) ** 2)
    assert float(test.p_value[0]) == pytest.approx(float(interaction.p_value))


def test_statsmodels_agrees_where_nothing_is_truncated():
    from statsmodels.stats.meta_analysis import combine_effects

    rng = np.random.default_rng(1)
    effect, se = rng.normal(0.0, 3.0, 12), rng.uniform(0.3, 2.0, 12)
    want = combine_effects(effect, se**2, method_re="dl")
    got = random_effects(effect, se)
    assert float(got.tau2[0]) == pytest.approx(want.tau2, rel=1e-9)
    assert float(got.effect[0]) == pytest.approx(want.mean_effect_re, rel=1e-9)
    assert float(got.se[0]) == pytest.approx(want.sd_eff_w_re, rel=1e-9)
    assert float(cochran_q(effect, se).q[0]) == pytest.approx(want.q, rel=1e-9)


# ---- standard errors that are estimated


def test_trap_known_standard_errors_are_infinite_degrees_of_freedom():
    rng = np.random.default_rng(3)
    effect, se, group = rng.normal(size=30), rng.uniform(0.3, 2.0, 30), np.repeat(np.arange(5), 6)
    for function in (cochran_q, fixed_effect):
        plain, many = function(effect, se, group), function(effect, se, group, se_df=np.full(30, 1e12))
        exact = function(effect, se, group, se_df=np.inf)
        for field in set(plain._fields) - {"df"}:
            np.testing.assert_array_equal(getattr(exact, field), getattr(plain, field))
            np.testing.assert_allclose(getattr(many, field), getattr(plain, field), rtol=1e-9)


@pytest.mark.parametrize("units", [25, 100, 400])
def test_q_agrees_with_welchs_anova(units):
    """Welch's F has terms of the first order in 1 / df only: the difference falls with its square."""
    from statsmodels.stats.oneway import anova_oneway

    rng = np.random.default_rng(4)
    samples = [
        rng.normal(mean, sd, units) * np.sqrt(units / 25) for mean, sd in ((0, 1), (0.3, 2), (0.2, 1), (0.4, 0.5))
    ]
    want = anova_oneway(samples, use_var="unequal")
    got = cochran_q([x.mean() for x in samples], [x.std(ddof=1) / np.sqrt(units) for x in samples], se_df=units - 1.0)
    assert float(got.p_value[0]) == pytest.approx(want.pvalue, rel=20 / units**2 + 0.002)


def test_two_segments_critical_value_is_welchs_series():
    """Welch (1947), equation of the 5 % point of the difference of two means, to the order of 1 / df^2."""
    from scipy.optimize import brentq

    se = np.array([0.4, 0.7])
    z = 1.959963984540054
    for df in (np.array([12.0, 30.0]), np.array([40.0, 25.0]), np.array([300.0, 200.0])):
        share = se**2 / (se**2).sum()
        a, b, c = (share**2 / df).sum(), (share**2 / df**2).sum(), (share**3 / df**2).sum()
        series = 1 + (1 + z**2) / 4 * a - (1 + z**2) / 2 * b + (3 + 5 * z**2 + z**4) / 3 * c
        series -= (15 + 32 * z**2 + 9 * z**4) / 32 * a**2
        distance = brentq(
            lambda x, df=df: float(cochran_q([0.0, x], se, se_df=df).p_value[0]) - 0.05, 1.0, 4.0, xtol=1e-12
        )
        assert distance / np.hypot(*se) == pytest.approx(z * series, rel=3 * float((1 / df).max()) ** 3)


def test_one_uncertain_standard_error_is_a_t_test():
    from scipy.stats import t

    for df in (15.0, 30.0, 60.0):
        # What the expansion leaves out falls with the third power.
        q = cochran_q([0.0, 2.4], [1e-6, 1.0], se_df=[np.inf, df])
        assert float(q.p_value[0]) == pytest.approx(2 * t.sf(2.4, df), rel=60 / df**3)
    pooled = fixed_effect([2.4], [1.0], se_df=15.0)
    assert float(pooled.p_value[0]) == pytest.approx(2 * t.sf(2.4, 15), rel=1e-12)


def test_uncertain_standard_errors_make_it_harder_to_reject():
    rng = np.random.default_rng(5)
    effect, se = rng.normal(size=8), rng.uniform(0.3, 1.0, 8)
    p, spread, width = [], [], []
    for df in (np.inf, 100.0, 30.0, 10.0, 5.0):
        test, pooled = cochran_q(effect, se, se_df=df), fixed_effect(effect, se, se_df=df)
        assert (float(test.q[0]), float(test.df[0])) == pytest.approx((float(cochran_q(effect, se).q[0]), 7.0))
        p.append(float(test.p_value[0]))
        spread.append(float(test.i2[0]))
        width.append(float(pooled.ci_high[0] - pooled.ci_low[0]))
        assert float(pooled.effect[0]) == pytest.approx(float(fixed_effect(effect, se).effect[0]))
    assert np.all(np.diff(p) > 0) and np.all(np.diff(spread) < 0) and np.all(np.diff(width) > 0)


def test_variance_of_the_pooled_effect_is_meiers_with_cochran_and_carrolls_degrees_of_freedom():
    se, df = np.array([0.5, 1.0, 0.8]), np.array([12.0, 20.0, 9.0])
    weight = 1 / se**2
    share = weight / weight.sum()
    inflation = sum(s * (1 - s) / (d - 4 * (3 - 2) / (3 - 1)) for s, d in zip(share, df, strict=True))
    want = (1 + 4 * inflation) / weight.sum()
    got = fixed_effect([1.0, 1.5, 0.3], se, se_df=df)
    assert float(got.se[0]) == pytest.approx(np.sqrt(want))
    assert float(got.df[0]) == pytest.approx(1 / (share**2 / df).sum())


def test_trap_twenty_small_segments_keep_the_level():
    rng = np.random.default_rng(6)
    arms = rng.normal(size=(2, 4000, 20, 10))
    parts = arms.var(axis=-1, ddof=1) / 10
    variance = parts.sum(axis=0)
    df = variance**2 / ((parts**2).sum(axis=0) / 9)
    effect, group = arms[1].mean(axis=-1) - arms[0].mean(axis=-1), np.repeat(np.arange(4000), 20)
    columns = effect.ravel(), np.sqrt(variance).ravel(), group
    assert (cochran_q(*columns).p_value <= 0.05).mean() > 0.1
    assert 0.035 < (cochran_q(*columns, se_df=df.ravel()).p_value <= 0.05).mean() < 0.06
    assert (fixed_effect(*columns).p_value <= 0.05).mean() > 0.07
    assert 0.035 < (fixed_effect(*columns, se_df=df.ravel()).p_value <= 0.05).mean() < 0.06


def test_degrees_of_freedom_that_say_nothing():
    effect, se = [1.0, 2.0, 4.0], [0.5, 0.5, 0.5]
    left_out = cochran_q(effect, se, se_df=[10.0, 10.0, np.nan])
    assert float(left_out.p_value[0]) == float(cochran_q(effect[:2], se[:2], se_df=10.0).p_value[0])
    assert np.isnan(cochran_q(effect, se, se_df=[0.0, 10.0, -1.0]).p_value[0])
    # 4 * (3 - 2) / (3 - 1) = 2.
    refused = fixed_effect(effect, se, se_df=[10.0, 10.0, 2.0])
    assert float(refused.effect[0]) == pytest.approx(7 / 3)
    assert np.isnan([refused.se, refused.p_value, refused.ci_low, refused.ci_high]).all()
    assert np.isfinite(fixed_effect(effect, se, se_df=[10.0, 10.0, 2.1]).p_value[0])
    with pytest.raises(ValueError, match="se_df"):
        cochran_q(effect, se, se_df=[1.0, 2.0])


GROUPS = st.lists(st.tuples(st.floats(-100, 100), st.floats(0.1, 10), st.integers(0, 4)), min_size=2, max_size=40)


@settings(max_examples=50, deadline=None)
@given(rows=GROUPS, shift=st.floats(-100, 100), scale=st.floats(0.1, 10))
def test_shift_scale_order_and_bounds(rows, shift, scale):
    effect, se, group = (np.array(column) for column in zip(*rows, strict=True))
    plain, moved = (shrink(x, s, group, 5) for x, s in ((effect, se), (shift + scale * effect, scale * se)))
    np.testing.assert_allclose(
        moved.effect, shift + scale * plain.effect, rtol=1e-6, atol=1e-6 * (1 + abs(shift) + scale)
    )
    np.testing.assert_allclose(moved.weight, plain.weight, rtol=1e-6, atol=1e-9)
    test, again = cochran_q(effect, se, group, 5), cochran_q(effect[::-1], se[::-1], group[::-1], 5)
    np.testing.assert_allclose(again.q, test.q, rtol=1e-6, atol=1e-9)
    df = 3.0 + 20.0 * se
    uncertain = cochran_q(effect, se, group, 5, se_df=df)
    for other in (
        cochran_q(effect[::-1], se[::-1], group[::-1], 5, se_df=df[::-1]),
        cochran_q(shift + scale * effect, scale * se, group, 5, se_df=df),
    ):
        np.testing.assert_allclose(other.p_value, uncertain.p_value, rtol=1e-5, atol=1e-9)
    assert (uncertain.p_value >= test.p_value)[~np.isnan(test.p_value)].all()
    pooled, carried = (
        fixed_effect(x, s, group, 5, se_df=df) for x, s in ((effect, se), (shift + scale * effect, scale * se))
    )
    np.testing.assert_allclose(carried.se, scale * pooled.se, rtol=1e-9)
    known = ~np.isnan(plain.effect)
    assert (plain.weight[known] >= 0).all()
    assert (plain.weight[known] < 1).all()
    # Shrinkage moves towards the group's mean and never past it.
    mean = random_effects(effect, se, group, 5).effect[group]
    between = (plain.effect - mean) * (plain.effect - effect)
    assert (between[known] <= 1e-6).all()


def test_all_groups_at_once_equal_one_group_at_a_time():
    rng = np.random.default_rng(2)
    group = rng.permutation(np.repeat(np.arange(20), rng.integers(0, 9, 20)))
    effect, se = rng.normal(0, 2, group.size), rng.uniform(0.2, 2, group.size)
    for function in (cochran_q, fixed_effect, random_effects):
        together = function(effect, se, group, 20)
        for one in range(20):
            alone = function(effect[group == one], se[group == one])
            for field in alone._fields:
                np.testing.assert_allclose(getattr(together, field)[one], getattr(alone, field)[0], rtol=1e-9)
    together = shrink(effect, se, group)
    for one in np.unique(group):
        alone = shrink(effect[group == one], se[group == one])
        for field in alone._fields:
            np.testing.assert_allclose(getattr(together, field)[group == one], getattr(alone, field), rtol=1e-9)


def test_bad_rows_leave_their_group_and_nothing_else():
    effect = [1.0, 2.0, np.nan, 4.0, 9.0, 5.0, 6.0, 7.0]
    se = [0.5, 0.5, 0.5, 0.0, 1.0, np.inf, -1.0, 0.5]
    group = [0, 0, 0, 0, 1, 1, 1, -1]
    test = cochran_q(effect, se, group, 3)
    clean = cochran_q([1.0, 2.0], [0.5, 0.5])
    assert test.q[0] == clean.q[0]
    for values in test:
        assert np.isnan(values[1:]).all()
    pooled = fixed_effect(effect, se, group, 3)
    np.testing.assert_array_equal(np.isnan(pooled.effect), [False, False, True])
    assert pooled.effect[1] == 9.0
    for values in random_effects(effect, se, group, 3, hartung_knapp=True):
        assert np.isnan(values[1:]).all() or np.isinf(values[1:]).all()
    shrunk = shrink(effect, se, group)
    np.testing.assert_array_equal(np.isnan(shrunk.effect), [False, False] + [True] * 6)
    np.testing.assert_array_equal(np.isnan(shrunk.ci_low), np.isnan(shrunk.effect))
    nothing = interaction_test([1.0, 1.0, np.nan], [1.0, 0.0, 1.0], 2.0, [0.0, 1.0, 1.0])
    assert np.isnan(nothing.p_value).all()


def test_equal_effects_have_no_heterogeneity_and_empty_input_no_groups():
    same = cochran_q([2.0, 2.0, 2.0], [0.1, 0.2, 0.3])
    assert (same.q[0], same.i2[0], same.p_value[0]) == (0.0, 0.0, 1.0)
    assert cochran_q([], [], np.array([], dtype=int)).q.shape == (0,)
    assert np.isnan(cochran_q([], []).q).tolist() == [True]


def test_p_value_comes_from_the_survival_function():
    assert 0.0 < float(cochran_q([0.0, 50.0], [1.0, 1.0]).p_value[0]) < 1e-250


def test_one_sided_tests_have_one_sided_intervals():
    result = interaction_test(1.0, 0.5, 2.0, 0.5, alternative=["greater", "less"])
    assert result.ci_high[0] == np.inf
    assert result.ci_low[1] == -np.inf
    assert result.p_value[0] < 0.5 < result.p_value[1]


def test_wrong_arguments_are_refused_in_words():
    with pytest.raises(ValueError, match="same length"):
        cochran_q([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="integers"):
        cochran_q([1.0, 2.0], [1.0, 1.0], [0.0, 1.0])
    with pytest.raises(ValueError, match="not below n_groups"):
        shrink([1.0, 2.0], [1.0, 1.0], [0, 3], 2)
    with pytest.raises(ValueError, match="alpha"):
        shrink([1.0, 2.0], [1.0, 1.0], alpha=2.0)


@pytest.mark.parametrize("function", [cochran_q, fixed_effect, random_effects])
def test_standard_errors_beyond_the_range_of_their_squares_are_no_part_of_a_group(function):
    want = function([1.0, 3.0, 2.0], [0.5, 0.5, 0.7])
    for error in (1e200, 1e-200, np.inf, 5e-324):
        got = function([1.0, 3.0, 2.0, 9.0], [0.5, 0.5, 0.7, error])
        for field in want._fields:
            np.testing.assert_array_equal(getattr(got, field), getattr(want, field), err_msg=field)


def test_an_effect_that_overflows_has_no_pooled_effect():
    got = fixed_effect([1e308, 1e308, 1e308], [0.1, 0.1, 0.1])
    assert np.isnan(got.effect[0]) and np.isnan(got.p_value[0]) and np.isnan(got.ci_high[0])
    assert np.isnan(cochran_q([1e300, -1e300], [0.1, 0.1]).p_value[0])
