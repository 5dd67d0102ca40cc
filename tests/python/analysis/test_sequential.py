"""Monitoring of every look against small independent computations, and what repeated looking does to the error rate."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq
from scipy.stats import multivariate_normal, norm, t

from python_stats.analysis.judgement import monitoring
from python_stats.analysis.judgement.headline import Headlines
from python_stats.analysis.judgement.monitoring import SEQUENTIAL_COLUMNS
from python_stats.analysis.settings import Settings
from python_stats.analysis.table.comparisons import LOOK_KEYS, Comparisons
from python_stats.analysis.table.typed_frame import typed_frame
from python_stats.lift import fieller_at
from python_stats.means.hall_transformation import hall_wald
from python_stats.sequential.always_valid import asymptotic_cs, msprt
from python_stats.sequential.spending import alpha_spending

METHODS = [
    ("obrien_fleming", np.nan),
    ("pocock", np.nan),
    ("power", 2.0),
    ("hwang_shih_decani", -4.0),
    ("msprt", np.nan),
    ("asymptotic_cs", np.nan),
]


def looks(
    effect, se, units, *, method="obrien_fleming", parameter=np.nan, planned=None, df=np.inf, alternative="two_sided",
    alpha=0.05, mde=0.1, status="ok", skewness=0.0,
):  # fmt: skip
    """Looks of comparisons as the models hand them over: effect, se and units of shape (comparisons, looks)."""
    effect, se, units = np.broadcast_arrays(np.atleast_2d(effect), np.atleast_2d(se), np.atleast_2d(units))
    size, number = effect.shape
    test = hall_wald(effect.ravel(), se.ravel(), df, skewness, alternative=alternative, alpha=alpha)
    keys = pd.DataFrame(
        {
            "exp_id": np.repeat([f"e{i}" for i in range(size)], number),
            **{"metric_id": "m", "variant_id": "t", "population": "assigned", "dimension": "all", "segment": "all"},
            "look_date": np.tile(pd.date_range("2026-01-01", periods=number), size),
        }
    )
    frame = keys.assign(
        n_control=units.ravel() / 2, n_treatment=units.ravel() / 2, mean_control=1.0, effect=test.effect,
        effect_se=test.se, statistic=test.statistic, df=test.df, p_value=test.p_value, effect_ci_low=test.ci_low,
        effect_ci_high=test.ci_high, lift=test.effect, lift_ci_low=test.ci_low, lift_ci_high=test.ci_high,
        status=np.broadcast_to(status, number * size), effect_skewness=np.broadcast_to(skewness, number * size),
        reference_skewness=np.broadcast_to(skewness, number * size), se_control=0.05, cov_effect_control=-0.0025,
    )  # fmt: skip
    frame.loc[frame["status"] != "ok", ["statistic", "p_value", "effect_se"]] = np.nan
    plan = keys.assign(
        alpha=alpha, alternative=alternative, mde=mde, effect_scale="relative",
        look_number=np.tile(np.arange(number) + 1, size), sequential_method=method, sequential_parameter=parameter,
        planned_pair_units=units[:, -1:].repeat(number, axis=1).ravel() if planned is None else planned,
    )  # fmt: skip
    return frame, plan


def monitored(frame, plan, **settings):
    """Give the looks with what monitoring adds to them."""
    columns = {name: frame[name].to_numpy() for name in frame if name not in LOOK_KEYS}
    got = monitoring.monitored(Headlines(Comparisons(plan), columns), Settings(**settings))
    added = typed_frame(pd.DataFrame({name: got[name] for name in SEQUENTIAL_COLUMNS}), SEQUENTIAL_COLUMNS)
    return pd.concat([frame.reset_index(drop=True), added], axis=1)


def null_paths(size, number, rng, per_look=100, drift=0.0):
    """Mean differences of two arms of 1/2 ``per_look`` units a look each, unit variance, from all data so far."""
    units = per_look * np.arange(1, number + 1)
    steps = rng.normal(size=(size, number)) * np.sqrt(4.0 / per_look)
    return np.cumsum(steps, axis=1) / np.arange(1, number + 1) + drift, np.sqrt(4.0 / units), units


def column(frame, name, shape):
    return frame[name].to_numpy(dtype=float, na_value=np.nan).reshape(shape)


def boundaries_by_hand(information, time, **spending):
    """Per-side boundaries of a few looks from scipy's multivariate normal distribution."""
    spent = alpha_spending(time, alpha=0.025, **spending)
    ratio = np.asarray(information)[:, None] / np.asarray(information)
    correlation = np.sqrt(np.minimum(ratio, 1 / ratio))
    found = []
    for look in range(len(time)):
        normal = multivariate_normal(cov=correlation[: look + 1, : look + 1], abseps=1e-7, maxpts=10**5)
        stay = 1.0 - spent[look]
        found.append(brentq(lambda b, d=normal, s=stay: d.cdf([*found, b]) - s, 1.0, 9.0, xtol=1e-7))
    return np.array(found)


@pytest.mark.parametrize(("method", "parameter"), METHODS[:4])
def test_boundary_interval_and_p_against_the_multivariate_normal(method, parameter):
    effect, se, units = np.array([0.5, 0.42, 0.35]), np.array([0.22, 0.15, 0.14]), np.array([150.0, 420.0, 600.0])
    got = monitored(*looks(effect, se, units, method=method, parameter=parameter, planned=600.0))
    boundary = boundaries_by_hand(se**-2.0, units / 600, spending=method, parameter=parameter)
    np.testing.assert_allclose(got["sequential_boundary"], boundary, atol=2e-4)
    np.testing.assert_allclose(got["sequential_ci_low"], effect - boundary * se, atol=1e-4)
    np.testing.assert_allclose(got["sequential_ci_high"], effect + boundary * se, atol=1e-4)
    np.testing.assert_allclose(got["sequential_statistic"], effect / se, rtol=1e-12)
    np.testing.assert_allclose(got["information_fraction"], units / 600)
    reached = effect / se >= boundary
    np.testing.assert_array_equal(got["is_crossed"].astype(bool), np.logical_or.accumulate(reached))
    np.testing.assert_array_equal(got["sequential_p_value"] <= 0.05, np.logical_or.accumulate(reached))
    first = got["look_date"].iloc[int(np.argmax(reached))]
    assert set(got.loc[got["is_crossed"].astype(bool), "first_crossed_on"]) == {first}


@pytest.mark.parametrize(("method", "parameter"), METHODS)
def test_daily_peeking_stays_within_alpha(method, parameter):
    rng = np.random.default_rng(7)
    effect, se, units = null_paths(3000, 14, rng)
    got = monitored(*looks(effect, se, units, method=method, parameter=parameter))
    crossed = column(got, "is_crossed", effect.shape)[:, -1].mean()
    always = (column(got, "always_valid_p_value", effect.shape)[:, -1] <= 0.05).mean()
    naive = (np.abs(effect / se) > 1.96).any(axis=1).mean()
    noise = 3 * np.sqrt(0.05 * 0.95 / 3000)
    assert naive > 0.18
    assert crossed <= 0.05 + noise
    assert always <= 0.05
    if method in ("obrien_fleming", "pocock", "power", "hwang_shih_decani"):
        assert crossed >= 0.05 - noise


@pytest.mark.parametrize(("method", "parameter"), METHODS)
def test_a_real_effect_is_found_early_and_an_interval_covers_it(method, parameter):
    rng = np.random.default_rng(11)
    effect, se, units = null_paths(1500, 10, rng, drift=0.25)
    got = monitored(*looks(effect, se, units, method=method, parameter=parameter, mde=0.25))
    low, high = column(got, "sequential_ci_low", effect.shape), column(got, "sequential_ci_high", effect.shape)
    covered = ((low <= 0.25) & (high >= 0.25)).all(axis=1).mean()
    assert covered >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / 1500)
    assert column(got, "is_crossed", effect.shape)[:, -1].mean() > 0.8


@pytest.mark.parametrize(("method", "parameter"), METHODS)
def test_looks_do_not_depend_on_later_ones(method, parameter):
    rng = np.random.default_rng(13)
    effect, se, units = null_paths(40, 9, rng, drift=0.15)
    se = se * rng.uniform(0.8, 1.2, effect.shape)
    full = monitored(*looks(effect, se, units, method=method, parameter=parameter, planned=900.0))
    early = monitored(*looks(effect[:, :5], se[:, :5], units[:5], method=method, parameter=parameter, planned=900.0))
    for name in SEQUENTIAL_COLUMNS:
        before = full[name].to_numpy().reshape(effect.shape)[:, :5].ravel()
        if SEQUENTIAL_COLUMNS[name] == "float64":
            np.testing.assert_allclose(early[name].to_numpy(float), before.astype(float), rtol=2e-3, err_msg=name)
        else:
            pd.testing.assert_series_equal(early[name], pd.Series(before), check_names=False, check_dtype=False)
    crossed = column(full, "is_crossed", effect.shape)
    assert np.all(np.diff(crossed, axis=1) >= 0)
    assert crossed[:, -1].sum() > 0
    assert np.all(np.diff(column(full, "sequential_p_value", effect.shape), axis=1) <= 0)


@pytest.mark.parametrize(("method", "parameter"), METHODS)
def test_swapping_the_arms_mirrors(method, parameter):
    rng = np.random.default_rng(17)
    effect, se, units = null_paths(20, 6, rng, drift=0.1)
    one = monitored(*looks(effect, se, units, method=method, parameter=parameter))
    other = monitored(*looks(-effect, se, units, method=method, parameter=parameter))
    np.testing.assert_allclose(other["sequential_statistic"], -one["sequential_statistic"])
    np.testing.assert_allclose(other["sequential_p_value"], one["sequential_p_value"], rtol=1e-6)
    np.testing.assert_allclose(other["sequential_ci_low"], -one["sequential_ci_high"], rtol=1e-6)
    np.testing.assert_allclose(other["always_valid_ci_high"], -one["always_valid_ci_low"], rtol=1e-9)
    np.testing.assert_array_equal(other["is_crossed"], one["is_crossed"])


def test_always_valid_columns_are_the_confidence_sequence_tuned_at_the_plan():
    rng = np.random.default_rng(19)
    effect, se, units = null_paths(5, 6, rng, drift=0.3)
    for planned, target in ((5000.0, 5000.0), (np.nan, 750.0)):
        got = monitored(*looks(effect, se, units, method=None, planned=planned), always_valid_target_units=750.0)
        want = asymptotic_cs(effect, np.broadcast_to(se, effect.shape), units, target_n=target)
        np.testing.assert_allclose(column(got, "always_valid_p_value", effect.shape), want.p_value, rtol=1e-9)
        np.testing.assert_allclose(column(got, "always_valid_ci_low", effect.shape), want.ci_low, rtol=1e-9)
        np.testing.assert_allclose(column(got, "always_valid_ci_high", effect.shape), want.ci_high, rtol=1e-9)


def test_the_prior_of_msprt_is_as_wide_as_the_planned_effect():
    effect, se, units = np.array([0.5, 0.4]), np.array([0.2, 0.15]), np.array([100.0, 200.0])
    got = monitored(*looks(effect, se, units, method="msprt", mde=0.3))
    want = msprt(effect, se, tau=0.3)
    np.testing.assert_allclose(got["sequential_p_value"], want.p_value, rtol=1e-9)
    np.testing.assert_allclose(got["sequential_ci_low"], want.ci_low, rtol=1e-9)
    unsaid = monitored(*looks(effect, se, units, method="msprt", mde=np.nan))
    np.testing.assert_allclose(unsaid["sequential_p_value"], unsaid["always_valid_p_value"], rtol=1e-9)


def test_trap_a_fixed_horizon_has_no_sequential_numbers_and_fixed_ones_are_never_overwritten():
    effect, se, units = null_paths(3, 4, np.random.default_rng(23))
    frame, plan = looks(effect, se, units, method=None)
    got = monitored(frame, plan)
    fixed = [name for name in SEQUENTIAL_COLUMNS if not name.startswith("always_valid")]
    assert got[fixed].isna().all(axis=None)
    assert got["always_valid_p_value"].notna().all()
    frame, plan = looks(effect, se, units, method="pocock")
    pd.testing.assert_frame_equal(monitored(frame, plan)[frame.columns], frame)


def test_a_look_without_a_test_is_skipped():
    effect, se = np.array([0.5, 0.1, 0.45]), np.array([0.2, 0.15, 0.1])
    units = np.array([100.0, 200.0, 300.0])
    got = monitored(*looks(effect, se, units, status=["ok", "zero_variance", "ok"]))
    numbers = [name for name in SEQUENTIAL_COLUMNS if "_ci_" in name or name.endswith(("p_value", "boundary"))]
    assert got.loc[1, numbers].isna().all()
    frame, plan = looks(effect[[0, 2]], se[[0, 2]], units[[0, 2]])
    alone = monitored(frame, plan)
    np.testing.assert_allclose(
        got.loc[[0, 2], numbers].to_numpy(float), alone[numbers].to_numpy(float), rtol=1e-3, equal_nan=True
    )


def test_information_that_shrinks_grows_with_the_units():
    units = np.array([100.0, 200.0, 300.0, 400.0])
    effect, se = np.array([0.1, 0.1, 0.1, 0.1]), np.array([0.2, 0.1, 0.15, 0.09])
    got = monitored(*looks(effect, se, units, method="pocock"))
    information = np.array([25.0, 100.0, 150.0, 200.0])
    want = monitored(*looks(effect, information**-0.5, units, method="pocock"))
    np.testing.assert_allclose(got["sequential_boundary"], want["sequential_boundary"], rtol=1e-6)
    # The interval keeps the standard error of the look.
    half = got["effect"] - got["sequential_ci_low"]
    np.testing.assert_allclose(half, got["sequential_boundary"] * se, rtol=1e-9)


def test_trap_few_clusters_are_no_normal_reference():
    df = 6.0
    effect, se, units = np.array([0.5, 0.45]), np.array([0.2, 0.14]), np.array([100.0, 200.0])
    few, many = (monitored(*looks(effect, se, units, df=one)) for one in (df, np.inf))
    np.testing.assert_allclose(few["sequential_boundary"], many["sequential_boundary"], rtol=1e-9)
    np.testing.assert_allclose(norm.sf(few["sequential_statistic"]), t.sf(effect / se, df), rtol=1e-9)
    width = t.isf(norm.sf(few["sequential_boundary"].to_numpy()), df)
    np.testing.assert_allclose(few["sequential_ci_high"], effect + width * se, rtol=1e-6)
    assert (few["sequential_p_value"] > many["sequential_p_value"]).all()
    assert (few["always_valid_ci_high"] > many["always_valid_ci_high"]).all()
    # A test decides as its interval does.
    excludes = (few["sequential_ci_low"] > 0) | (few["sequential_ci_high"] < 0)
    np.testing.assert_array_equal(excludes, few["sequential_statistic"].abs() >= few["sequential_boundary"])


def test_a_test_without_a_statistic_is_read_from_its_p_value():
    frame, plan = looks([0.3, 0.3], [0.1, 0.08], [100.0, 200.0])
    blank = frame.assign(statistic=np.nan, df=np.nan)
    pd.testing.assert_frame_equal(
        monitored(blank, plan)[list(SEQUENTIAL_COLUMNS)], monitored(frame, plan)[list(SEQUENTIAL_COLUMNS)], rtol=1e-6
    )


@pytest.mark.parametrize(("alternative", "sign"), [("greater", 1.0), ("less", -1.0)])
@pytest.mark.parametrize("method", ["obrien_fleming", "msprt"])
def test_trap_one_sided_tests_have_one_open_limit(method, alternative, sign):
    effect, se, units = sign * np.array([0.5, 0.45]), np.array([0.2, 0.14]), np.array([100.0, 200.0])
    got = monitored(*looks(effect, se, units, method=method, alternative=alternative))
    open_, closed = ("high", "low") if sign > 0 else ("low", "high")
    for name in ("sequential_ci_", "always_valid_ci_", "sequential_lift_ci_"):
        assert np.isinf(got[name + open_].to_numpy(float)).all(), name
        assert np.isfinite(got[name + closed].to_numpy(float)).all(), name
    assert (sign * got["sequential_statistic"] > 0).all()
    wrong = monitored(*looks(-effect, se, units, method=method, alternative=alternative))
    assert not wrong["is_crossed"].any()
    blank = looks(effect, se, units, method=method, alternative=alternative)
    blank = monitored(blank[0].assign(statistic=np.nan), blank[1])
    np.testing.assert_allclose(blank["sequential_statistic"], got["sequential_statistic"], rtol=1e-9)


def test_trap_a_first_look_without_a_reachable_bound_is_null_not_infinite():
    got = monitored(*looks([0.5, 0.4], [0.2, 0.15], [2.0, 200.0], planned=100_000.0, df=3.0))
    assert np.isfinite(got["sequential_boundary"].to_numpy(float)).all()
    assert got.loc[0, ["sequential_ci_low", "sequential_ci_high", "sequential_lift_ci_low"]].isna().all()
    assert got.loc[0, "sequential_p_value"] == 1.0
    finite = got.select_dtypes("number").to_numpy(float, na_value=np.nan)
    assert not np.isinf(finite).any()


def test_trap_more_units_than_planned_are_clamped_flagged_and_end_the_design():
    effect, se = np.array([0.1, 0.12, 0.4, 0.5]), np.array([0.2, 0.14, 0.12, 0.1])
    got = monitored(*looks(effect, se, [100.0, 210.0, 300.0, 400.0], planned=200.0))
    assert got["information_fraction"].to_list() == [0.5, 1.0, 1.0, 1.0]
    assert got["is_over_planned"].to_list() == [False, True, True, True]
    # What comes after the end has no boundary and changes neither p nor interval, however large it is.
    assert got["sequential_boundary"].isna().to_list() == [False, False, True, True]
    for name in ("sequential_p_value", "sequential_ci_low", "sequential_ci_high"):
        assert got[name].iloc[2] == got[name].iloc[3] == got[name].iloc[1]
    assert not got["is_crossed"].any()
    assert got["always_valid_p_value"].iloc[3] < 0.05


def test_looks_that_were_not_kept_cannot_be_monitored_towards_an_end():
    effect, se, units = np.array([[0.3]]), np.array([[0.1]]), np.array([[300.0]])
    for method, known in (("pocock", False), ("asymptotic_cs", True)):
        frame, plan = looks(effect, se, units, method=method)
        got = monitored(frame, plan.assign(look_number=7))
        assert got["sequential_method"].notna().all() == known
        assert got["sequential_p_value"].notna().all() == known


def test_the_lift_is_widened_as_much_as_the_effect():
    frame, plan = looks([0.3, 0.25], [0.1, 0.08], [100.0, 200.0])
    low, high = np.expm1(np.log1p(frame["lift"]) - 1.96 * 0.09), np.expm1(np.log1p(frame["lift"]) + 1.96 * 0.09)
    got = monitored(frame.assign(lift_ci_low=low, lift_ci_high=high), plan)
    width = 1.96 * 0.09 * got["sequential_boundary"] / norm.isf(0.025)
    np.testing.assert_allclose(got["sequential_lift_ci_low"], np.expm1(np.log1p(got["lift"]) - width), rtol=1e-9)
    np.testing.assert_allclose(got["sequential_lift_ci_high"], np.expm1(np.log1p(got["lift"]) + width), rtol=1e-9)
    # A negative control mean mirrors the ratio.
    mirrored = frame.assign(mean_control=-1.0, lift=-frame["lift"], lift_ci_low=-high, lift_ci_high=-low)
    other = monitored(mirrored, plan)
    np.testing.assert_allclose(other["sequential_lift_ci_low"], -got["sequential_lift_ci_high"], rtol=1e-9)


def test_schedules_of_different_length_are_the_schedules_alone():
    rng = np.random.default_rng(29)
    effect, se, units = null_paths(3, 8, rng, drift=0.2)
    parts = [looks(effect[i, : 8 - 2 * i], se[: 8 - 2 * i], units[: 8 - 2 * i], planned=800.0) for i in range(3)]
    named = [tuple(frame.assign(exp_id=f"x{i}") for frame in part) for i, part in enumerate(parts)]
    together = monitored(*(pd.concat(frames, ignore_index=True) for frames in zip(*named, strict=True)))
    alone = pd.concat([monitored(*part) for part in named], ignore_index=True)
    pd.testing.assert_frame_equal(together, alone, rtol=1e-3)


def test_no_comparisons_give_no_rows():
    frame, plan = looks([0.3], [0.1], [100.0])
    got = monitored(frame.iloc[:0], plan.iloc[:0])
    assert len(got) == 0
    assert set(SEQUENTIAL_COLUMNS) <= set(got.columns)


@pytest.mark.parametrize(("method", "parameter"), METHODS)
@pytest.mark.parametrize("skewness", [-0.6, 0.3])
def test_the_interval_of_a_skewed_estimate_reaches_as_far_as_its_transformed_test(method, parameter, skewness):
    rng = np.random.default_rng(8)
    effect, se, units = null_paths(200, 5, rng, drift=0.2 * np.sign(skewness))
    got = monitored(*looks(effect, se, units, method=method, parameter=parameter, skewness=skewness, df=60.0))
    shape = effect.shape
    low, high, z, bound, p = (
        column(got, name, shape)
        for name in ("sequential_ci_low", "sequential_ci_high", "sequential_statistic", "sequential_boundary",
                     "sequential_p_value")
    )  # fmt: skip
    # Before the design has ended, every look's own interval excludes zero exactly where its statistic is outside.
    open_yet = ~np.maximum.accumulate(np.abs(z) >= bound, axis=1)
    first = np.abs(z) >= bound
    first[:, 1:] &= open_yet[:, :-1]
    assert ((low <= 0) & (high >= 0))[open_yet].all()
    assert ((low > 0) | (high < 0))[first].all() and first.sum() > 10
    assert (p[first] <= 0.05 + 1e-9).all()
    # The longer side is the one to which the skewness points.
    seen = np.isfinite(low) & np.isfinite(high) & open_yet
    longer = (high - effect) > (effect - low)
    assert (longer[seen] == (skewness > 0)).all()


def test_the_skewness_of_an_estimate_that_is_not_transformed_changes_nothing():
    effect, units = np.array([[0.2, 0.1, 0.3]]), np.array([100.0, 200.0, 300.0])
    frame, plan = looks(effect, 0.1, units)
    plain, skewed = monitored(frame, plan), monitored(frame.assign(effect_skewness=0.6), plan)
    pd.testing.assert_frame_equal(plain[list(SEQUENTIAL_COLUMNS)], skewed[list(SEQUENTIAL_COLUMNS)])


@pytest.mark.parametrize(("method", "parameter"), METHODS)
def test_a_look_that_is_refused_for_its_skewness_undoes_no_crossing(method, parameter):
    effect, units = np.array([[0.1, 0.6, 0.6, 0.6], [0.0, 0.0, 0.0, 0.0]]), np.array([250.0, 500.0, 750.0, 1000.0])
    status = np.tile(np.array(["ok", "ok", "ok", "too_skewed"]), 2)
    got = monitored(*looks(effect, 0.1, units, method=method, parameter=parameter, status=status))
    p, crossed = (column(got, name, (2, 4)) for name in ("sequential_p_value", "is_crossed"))
    assert p[0, 3] == p[0, 2] <= 0.05 and crossed[0, 1:].all()
    assert p[1, 3] == p[1, 2] > 0.05
    assert np.isnan(column(got, "sequential_boundary", (2, 4))[:, 3]).all()
    always = column(got, "always_valid_p_value", (2, 4))
    assert always[0, 3] == always[0, 2]
    first = monitored(*looks(effect, 0.1, units, method=method, parameter=parameter,
                             status=np.tile(np.array(["too_skewed", "ok", "ok", "ok"]), 2)))  # fmt: skip
    assert (column(first, "sequential_p_value", (2, 4))[:, 0] == 1.0).all()


def test_the_lift_of_a_skewed_estimate_is_fiellers_set_at_the_sequential_reach():
    frame, plan = looks([[0.3, 0.4]], 0.1, np.array([500.0, 1000.0]), method="msprt", skewness=0.4)
    got = monitored(frame, plan).iloc[1]
    z = [got["sequential_ci_low"], got["sequential_ci_high"]]
    below, above = (0.4 - z[0]) / 0.1, (z[1] - 0.4) / 0.1
    want = fieller_at(0.4, 0.1, 1.0, 0.05, below, above, cov_effect_control=-0.0025)
    assert got["sequential_lift_ci_low"] == pytest.approx(float(want.ci_low), rel=1e-9)
    assert got["sequential_lift_ci_high"] == pytest.approx(float(want.ci_high), rel=1e-9)
