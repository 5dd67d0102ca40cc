"""The frames of moments to the rows of estimates: regression, post-stratification, differences in differences."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from python_stats.analysis.estimators.difference_estimates import difference_estimates
from python_stats.analysis.estimators.regression_estimates import UNITS_PER_COVARIATE, regression_estimates
from python_stats.analysis.estimators.stratified_estimates import stratified_estimates
from python_stats.analysis.table.estimate_rows import frame_of

VARIABLES = ("numerator", "denominator", "covariate", "covariate_denominator")


def covariance(values: np.ndarray) -> np.ndarray:
    """Covariance matrix of the columns, also of a single one."""
    return np.atleast_2d(np.cov(values.T))


def plan_row(plan_key: int, units: dict[str, np.ndarray], estimator: str, metric_type: str = "mean", **more) -> dict:
    """Lay out one comparison, with the moments of (numerator, denominator, covariate, covariate's denominator)."""
    row = {
        "plan_key": plan_key, "exp_id": "e", "metric_id": f"m{plan_key}", "variant_id": "treatment",
        "control_variant_id": "control", "population": "assigned", "dimension": "all", "segment": "all",
        "look_date": pd.Timestamp("2024-02-01"), "is_last_look": True, "metric_type": metric_type,
        "estimator": estimator, "alpha": 0.05, "alternative": "two_sided", "is_clustered": False,
        "period_ratio": 1.0, "clusters_control": np.nan, "clusters_treatment": np.nan,
        "satterthwaite_trace_control": np.nan, "satterthwaite_trace_treatment": np.nan,
    }  # fmt: skip
    for arm, values in units.items():
        cov = covariance(values)
        row[f"n_{arm}"] = len(values)
        for i, a in enumerate(VARIABLES):
            known = i < values.shape[1]
            row[f"mean_{a}_{arm}"] = values[:, i].mean() if known else np.nan
            for j, b in enumerate(VARIABLES[i:], start=i):
                name = f"var_{a}" if a == b else f"cov_{a}_{b}"
                row[f"{name}_{arm}"] = cov[i, j] if j < values.shape[1] else np.nan
    return row | more


def long_moments(plan_key: int, units: dict[str, np.ndarray], *, has_denominator: bool = False) -> pd.DataFrame:
    """Write (outcome, covariates) or (numerator, denominator, covariates) as `covariate_moment` does."""
    rows = []
    for arm, values in units.items():
        cov = covariance(values)
        place = [i if has_denominator or i == 0 else i + 1 for i in range(values.shape[1])]
        rows += [
            (plan_key, arm, len(values), place[i], place[j], values[:, i].mean(), cov[i, j])
            for i in range(values.shape[1])
            for j in range(i + 1)
        ]
    names = ["plan_key", "variant_id", "n", "row_place", "column_place", "row_mean", "covariance"]
    return pd.DataFrame(rows, columns=names)


def arms(seed: int, n: tuple[int, int] = (300, 400), k: int = 3, slopes: tuple[float, float] = (1.0, 1.4)):
    """Outcome and k correlated covariates."""
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(k, k))
    units = {}
    for arm, size, slope in zip(("control", "treatment"), n, slopes, strict=True):
        x = rng.gamma(2.0, size=(size, k)) @ mix
        units[arm] = np.column_stack([5 + slope * x.sum(axis=1) + rng.normal(size=size), x])
    return units


def regression(units: dict[str, np.ndarray], **more) -> pd.Series:
    rows = frame_of(
        regression_estimates(
            pd.DataFrame([plan_row(1, {a: v[:, :1] for a, v in units.items()}, "regression", **more)]),
            long_moments(1, units),
        )
    )
    assert len(rows) == 1
    return rows.iloc[0]


def lin_by_hand(units: dict[str, np.ndarray]) -> tuple[float, float]:
    """Least squares per arm, predicted at the common covariate mean; residual variance per arm; slopes that differ."""
    both = np.concatenate(list(units.values()))
    total, prediction, variance, slopes = len(both), [], 0.0, []
    for values in units.values():
        x = np.column_stack([np.ones(len(values)), values[:, 1:] - both[:, 1:].mean(axis=0)])
        coef, residual, *_ = np.linalg.lstsq(x, values[:, 0], rcond=None)
        prediction.append(coef[0])
        slopes.append(coef[1:])
        variance += residual[0] / (len(values) - x.shape[1]) * np.linalg.inv(x.T @ x)[0, 0]
    gap = slopes[1] - slopes[0]
    return prediction[1] - prediction[0], np.sqrt(variance + gap @ covariance(both[:, 1:]) @ gap / total)


def test_regression_is_least_squares_per_arm():
    units = arms(1)
    row = regression(units)
    effect, se = lin_by_hand(units)
    assert row["effect"] == pytest.approx(effect, rel=1e-10)
    assert row["effect_se"] == pytest.approx(se, rel=1e-10)
    assert row["status"] == "ok"
    raw = np.sqrt(sum(v[:, 0].var(ddof=1) / len(v) for v in units.values()))
    assert row["variance_reduction"] == pytest.approx(1 - (se / raw) ** 2, rel=1e-9)
    assert row["lift"] == pytest.approx(effect / units["control"][:, 0].mean(), rel=1e-10)
    assert row["mean_control"] == pytest.approx(units["control"][:, 0].mean())


def test_cells_with_different_numbers_of_covariates_are_one_cell_at_a_time():
    """Padding must be neither a covariate nor a reason to drop one."""
    cells = [arms(10 + k, k=k) for k in (1, 4, 2)] + [{a: v[:, :1] for a, v in arms(14).items()}]
    rows = [plan_row(i, {a: v[:, :1] for a, v in units.items()}, "regression") for i, units in enumerate(cells)]
    moments = pd.concat([long_moments(i, units) for i, units in enumerate(cells)]).sample(frac=1, random_state=1)
    together = frame_of(regression_estimates(pd.DataFrame(rows), moments)).set_index("metric_id")
    for i, units in enumerate(cells):
        alone = regression(units)
        for column in ("effect", "effect_se", "p_value", "df", "lift_ci_low", "variance_reduction"):
            assert together.loc[f"m{i}", column] == pytest.approx(alone[column], rel=1e-9, abs=1e-12), (i, column)


def test_no_covariate_is_welch():
    units = {a: v[:, :1] for a, v in arms(20).items()}
    row = regression(units)
    test = stats.ttest_ind(units["treatment"][:, 0], units["control"][:, 0], equal_var=False)
    assert row["p_value"] == pytest.approx(test.pvalue, rel=1e-9)
    assert row["df"] == pytest.approx(test.df, rel=1e-9)
    assert row["variance_reduction"] == pytest.approx(0, abs=1e-12)


def test_a_useless_covariate_changes_nothing_beyond_noise():
    units = arms(21, n=(4000, 4000), slopes=(0.0, 0.0))
    row = regression(units)
    raw = np.sqrt(sum(v[:, 0].var(ddof=1) / len(v) for v in units.values()))
    assert row["effect_se"] == pytest.approx(raw, rel=2e-3)
    assert abs(row["variance_reduction"]) < 4e-3


def test_a_perfect_covariate_is_zero_variance_not_a_standard_error_of_1e_16():
    units = arms(22)
    for arm, plus in (("control", 0.0), ("treatment", 1.0)):
        units[arm][:, 0] = plus + units[arm][:, 1] - 2 * units[arm][:, 2] + 0.1 * units[arm][:, 3]
    row = regression(units)
    assert row["status"] == "zero_variance"
    assert row["effect"] == pytest.approx(1.0)
    assert np.isnan([row["effect_se"], row["p_value"], row["variance_reduction"], row["lift_ci_low"]]).all()


def test_collinear_and_constant_covariates_count_once_or_not():
    units = arms(23)
    wider = {a: np.column_stack([v, 2 * v[:, 1] - v[:, 2], np.full(len(v), 7.0)]) for a, v in units.items()}
    for column in ("effect", "effect_se", "df", "p_value"):
        assert regression(wider)[column] == pytest.approx(regression(units)[column], rel=1e-8)


def test_too_few_units_for_the_covariates_is_a_status():
    few = UNITS_PER_COVARIATE * 3 - 1
    row = regression(arms(24, n=(few, 400)))
    assert row["status"] == "too_few_units"
    assert np.isnan([row["effect"], row["effect_se"], row["p_value"], row["lift"]]).all()
    assert regression(arms(24, n=(few + 1, 400)))["status"] == "ok"


@pytest.mark.parametrize(("shift", "scale", "covariate_scale"), [(1e6, 1.0, 1.0), (0.0, -3.0, 1e-6), (5.0, 2e5, 1e8)])
def test_regression_shift_and_scale(shift, scale, covariate_scale):
    units = arms(25)
    changed = {a: np.column_stack([shift + scale * v[:, 0], 4 + covariate_scale * v[:, 1:]]) for a, v in units.items()}
    plain, moved = regression(units), regression(changed)
    assert moved["effect"] == pytest.approx(scale * plain["effect"], rel=1e-7)
    assert moved["effect_se"] == pytest.approx(abs(scale) * plain["effect_se"], rel=1e-7)
    assert moved["variance_reduction"] == pytest.approx(plain["variance_reduction"], rel=1e-7)


def test_regression_swapped_arms_turn_the_sign():
    units = arms(26)
    plain = regression(units)
    turned = regression({"control": units["treatment"], "treatment": units["control"]})
    assert turned["effect"] == pytest.approx(-plain["effect"], rel=1e-9)
    assert turned["effect_se"] == pytest.approx(plain["effect_se"], rel=1e-9)
    assert turned["p_value"] == pytest.approx(plain["p_value"], rel=1e-9)


def test_regression_keeps_a_ratio_whose_denominator_is_constant_as_the_mean():
    units = arms(27)
    ratio = {a: np.column_stack([v[:, 0], np.full(len(v), 4.0), v[:, 1:]]) for a, v in units.items()}
    table = pd.DataFrame([plan_row(1, {a: v[:, :2] for a, v in ratio.items()}, "regression", "ratio")])
    row = frame_of(regression_estimates(table, long_moments(1, ratio, has_denominator=True))).iloc[0]
    plain = regression(units)
    assert row["effect"] == pytest.approx(plain["effect"] / 4, rel=1e-9)
    assert row["effect_se"] == pytest.approx(plain["effect_se"] / 4, rel=1e-9)


def test_trap_a_zero_denominator_is_a_status_in_its_own_cell():
    units = arms(28)
    ratio = {a: np.column_stack([v[:, 0], np.full(len(v), 4.0), v[:, 1:]]) for a, v in units.items()}
    empty = ratio | {"treatment": ratio["treatment"] * np.array([0, 0, 1, 1, 1])}
    table = pd.DataFrame(
        [plan_row(i, {a: v[:, :2] for a, v in u.items()}, "regression", "ratio") for i, u in ((1, ratio), (2, empty))]
    )
    moments = pd.concat([long_moments(i, u, has_denominator=True) for i, u in ((1, ratio), (2, empty))])
    rows = frame_of(regression_estimates(table, moments)).set_index("metric_id")
    assert rows["status"].to_dict() == {"m1": "ok", "m2": "zero_denominator"}
    assert np.isnan(rows.loc["m2", "effect"]) and np.isfinite(rows.loc["m1", "p_value"])


def test_only_plans_that_ask_at_the_last_look_with_independent_units_get_a_row():
    units = arms(29)
    moments = long_moments(1, units)
    outcome = {a: v[:, :1] for a, v in units.items()}
    for change in ({"estimator": None}, {"is_clustered": True}, {"is_last_look": False}, {"plan_key": 2}):
        table = pd.DataFrame([plan_row(1, outcome, "regression") | change])
        assert len(frame_of(regression_estimates(table, moments))) == 0, change
    assert (
        len(frame_of(regression_estimates(pd.DataFrame([plan_row(1, outcome, "regression")]), moments.iloc[:0]))) == 0
    )


def test_the_standard_error_is_the_spread_over_samples_also_when_slopes_differ():
    """Units drawn from a population: a standard error that took the covariates as fixed would be too small here."""
    rng = np.random.default_rng(30)
    samples, n = 4000, 150
    x = rng.normal(size=(samples, 2, n))
    y = x * np.array([0.5, 2.0])[:, None] + rng.normal(size=x.shape) * np.array([1.0, 1.5])[:, None]
    units = [{"control": np.column_stack([y[i, 0], x[i, 0]]), "treatment": np.column_stack([y[i, 1], x[i, 1]])}
             for i in range(samples)]  # fmt: skip
    outcome = np.zeros((2, 1))
    table = pd.DataFrame(
        [plan_row(i, {"control": outcome, "treatment": outcome}, "regression") for i in range(samples)]
    )
    table["n_control"] = table["n_treatment"] = n
    rows = frame_of(regression_estimates(table, _many_moments(np.stack([y, x], axis=-1))))
    spread = rows["effect"].std()
    assert rows["effect_se"].mean() == pytest.approx(spread, rel=0.04)
    covered = ((rows["effect_ci_low"] < 0) & (rows["effect_ci_high"] > 0)).mean()
    assert covered == pytest.approx(0.95, abs=0.012)
    assert regression(units[0])["effect_se"] == pytest.approx(rows["effect_se"].iloc[0], rel=1e-9)


def _many_moments(values: np.ndarray) -> pd.DataFrame:
    """Moments of samples x arms x units x (outcome, covariate), in long form."""
    centred = values - values.mean(axis=2, keepdims=True)
    cov = np.einsum("sani,sanj->saij", centred, centred) / (values.shape[2] - 1)
    frames = []
    for arm, name in enumerate(("control", "treatment")):
        for i, j in ((0, 0), (1, 0), (1, 1)):
            frames.append(
                pd.DataFrame(
                    {
                        "plan_key": np.arange(len(values)), "variant_id": name, "n": values.shape[2],
                        "row_place": 2 * i, "column_place": 2 * j, "row_mean": values[:, arm, :, i].mean(axis=1),
                        "covariance": cov[:, arm, i, j],
                    }
                )
            )  # fmt: skip
    return pd.concat(frames)


def strata_of(plan_key: int, units: dict[str, np.ndarray], strata: dict[str, np.ndarray]) -> pd.DataFrame:
    """Write `stratum_moment` from units of (numerator, denominator) and their strata."""
    rows = []
    for arm, values in units.items():
        for stratum in np.unique(strata[arm]):
            own = values[strata[arm] == stratum]
            cov = covariance(own) if len(own) > 1 else np.full((values.shape[1],) * 2, np.nan)
            pair = values.shape[1] == 2
            rows.append(
                (plan_key, arm, stratum, len(own), own[:, 0].mean(), own[:, 1].mean() if pair else np.nan, cov[0, 0],
                 cov[0, 1] if pair else np.nan, cov[1, 1] if pair else np.nan)
            )  # fmt: skip
    names = ["plan_key", "variant_id", "stratum", "n", "mean_numerator", "mean_denominator", "var_numerator",
             "cov_numerator_denominator", "var_denominator"]  # fmt: skip
    return pd.DataFrame(rows, columns=names)


def stratified(units, strata, **more) -> pd.Series:
    metric_type = "ratio" if units["control"].shape[1] == 2 else "mean"
    table = pd.DataFrame([plan_row(1, units, None, metric_type) | more])
    rows = frame_of(stratified_estimates(table, strata_of(1, units, strata).sample(frac=1, random_state=2)))
    assert len(rows) == 1
    return rows.iloc[0]


def stratified_arms(seed: int):
    rng = np.random.default_rng(seed)
    strata = {"control": rng.choice(list("abc"), 200, p=[0.5, 0.3, 0.2]),
              "treatment": rng.choice(list("abc"), 260, p=[0.4, 0.3, 0.3])}  # fmt: skip
    level = {"a": 1.0, "b": 5.0, "c": 9.0}
    units = {
        arm: np.array([[level[s]] for s in labels]) + rng.normal(size=(len(labels), 1))
        for arm, labels in strata.items()
    }
    return units, strata


def by_hand(units, strata) -> tuple[float, float]:
    effect, variance, total = 0.0, 0.0, sum(len(s) for s in strata.values())
    for stratum in np.unique(np.concatenate(list(strata.values()))):
        own = [units[a][strata[a] == stratum, 0] for a in ("control", "treatment")]
        weight = sum(len(v) for v in own) / total
        effect += weight * (own[1].mean() - own[0].mean())
        variance += weight**2 * sum(v.var(ddof=1) / len(v) for v in own)
    return effect, np.sqrt(variance)


def test_stratified_is_the_weighted_difference_within_strata():
    units, strata = stratified_arms(40)
    row = stratified(units, strata)
    effect, se = by_hand(units, strata)
    assert row["effect"] == pytest.approx(effect, rel=1e-10)
    assert row["effect_se"] == pytest.approx(se, rel=1e-10)
    assert row["df"] == 460 - 6
    assert row["variance_reduction"] > 0.8


def test_a_stratum_that_one_arm_lacks_is_merged():
    """Its units stay in the analysis: n never changes, and no difference is made up for it."""
    units, strata = stratified_arms(41)
    strata["treatment"][:4] = "x"
    strata["control"][:1] = "y"
    merged = {a: np.where(np.isin(s, ["x", "y"]), "z", s) for a, s in strata.items()}
    # Together they still have a single control unit, so the smallest other stratum joins them.
    sizes = {s: sum((m == s).sum() for m in merged.values()) for s in "abc"}
    smallest = min(sizes, key=sizes.get)
    merged = {a: np.where(s == "z", smallest, s) for a, s in merged.items()}
    row = stratified(units, strata)
    effect, se = by_hand(units, merged)
    assert row["effect"] == pytest.approx(effect, rel=1e-10)
    assert row["effect_se"] == pytest.approx(se, rel=1e-10)
    assert (row["n_control"], row["n_treatment"]) == (200, 260)


def test_stratified_shift_scale_and_swap():
    units, strata = stratified_arms(42)
    plain = stratified(units, strata)
    moved = stratified({a: 1e6 - 3 * v for a, v in units.items()}, strata)
    assert moved["effect"] == pytest.approx(-3 * plain["effect"], rel=1e-8)
    assert moved["effect_se"] == pytest.approx(3 * plain["effect_se"], rel=1e-8)
    swap = {"control": "treatment", "treatment": "control"}
    turned = stratified({a: units[b] for a, b in swap.items()}, {a: strata[b] for a, b in swap.items()})
    assert turned["effect"] == pytest.approx(-plain["effect"], rel=1e-9)
    assert turned["effect_se"] == pytest.approx(plain["effect_se"], rel=1e-9)


def test_a_metric_that_is_constant_within_strata_is_zero_variance():
    units, strata = stratified_arms(43)
    units = {a: np.array([[{"a": 0.1, "b": 0.2, "c": 0.3}[s]] for s in labels]) for a, labels in strata.items()}
    row = stratified(units, strata)
    assert row["status"] == "zero_variance"
    assert np.isnan([row["effect_se"], row["p_value"]]).all()


def test_stratified_cells_together_are_cells_alone():
    cells = [stratified_arms(44 + i) for i in range(3)]
    ratio = ({a: np.column_stack([v, np.full(len(v), 2.0)]) for a, v in cells[0][0].items()}, cells[0][1])
    cells.append(ratio)
    table = pd.DataFrame([plan_row(i, u, None, "ratio" if i == 3 else "mean") for i, (u, _) in enumerate(cells)])
    moments = pd.concat([strata_of(i, u, s) for i, (u, s) in enumerate(cells)]).sample(frac=1, random_state=3)
    rows = frame_of(stratified_estimates(table, moments)).set_index("metric_id")
    for i, (u, s) in enumerate(cells):
        for column in ("effect", "effect_se", "df", "p_value", "lift_ci_high"):
            assert rows.loc[f"m{i}", column] == pytest.approx(stratified(u, s)[column], rel=1e-9)
    assert rows.loc["m3", "effect"] == pytest.approx(rows.loc["m0", "effect"] / 2, rel=1e-9)
    clustered = table.assign(is_clustered=True)
    assert len(frame_of(stratified_estimates(clustered, moments))) == 0
    assert len(frame_of(stratified_estimates(table, moments.iloc[:0]))) == 0


def panel(seed: int) -> dict[str, np.ndarray]:
    """Now, nothing, and before: the outcome over 14 days and 7 days, and columns for ratios."""
    rng = np.random.default_rng(seed)
    units = {}
    for arm, n, effect in (("control", 220, 0.0), ("treatment", 260, 1.0)):
        level = rng.gamma(3.0, 2.0, n)
        units[arm] = np.column_stack(
            [2 * level + effect + rng.normal(size=n), rng.poisson(4, n) + 1.0, level + rng.normal(size=n) / 2,
             rng.poisson(2, n) + 1.0]
        )  # fmt: skip
    return units


def difference(units: dict[str, np.ndarray], metric_type: str = "mean", **more) -> pd.Series:
    rows = frame_of(
        difference_estimates(pd.DataFrame([plan_row(1, units, "difference_in_differences", metric_type, **more)]))
    )
    assert len(rows) == 1
    return rows.iloc[0]


def test_difference_in_differences_is_welch_on_gains_per_day():
    units = panel(50)
    row = difference(units, period_ratio=2.0)
    gains = [v[:, 0] - 2 * v[:, 2] for v in units.values()]
    test = stats.ttest_ind(gains[1], gains[0], equal_var=False)
    assert row["effect"] == pytest.approx(gains[1].mean() - gains[0].mean(), rel=1e-10)
    assert row["p_value"] == pytest.approx(test.pvalue, rel=1e-9)
    assert row["df"] == pytest.approx(test.df, rel=1e-9)
    raw = np.sqrt(sum(v[:, 0].var(ddof=1) / len(v) for v in units.values()))
    assert row["variance_reduction"] == pytest.approx(1 - (row["effect_se"] / raw) ** 2, rel=1e-9)
    assert row["lift"] == pytest.approx(row["effect"] / units["control"][:, 0].mean(), rel=1e-10)


def test_difference_in_differences_of_ratios_compares_ratios():
    units = panel(51)
    row = difference(units, "ratio", period_ratio=1.0)
    gains = []
    for v in units.values():
        now, before = v[:, 0].mean() / v[:, 1].mean(), v[:, 2].mean() / v[:, 3].mean()
        linear = (v[:, 0] - now * v[:, 1]) / v[:, 1].mean() - (v[:, 2] - before * v[:, 3]) / v[:, 3].mean()
        gains.append((now - before, linear.var(ddof=1) / len(v)))
    assert row["effect"] == pytest.approx(gains[1][0] - gains[0][0], rel=1e-10)
    assert row["effect_se"] == pytest.approx(np.sqrt(gains[0][1] + gains[1][1]), rel=1e-10)


def test_difference_in_differences_shift_scale_swap_and_a_common_trend():
    units = panel(52)
    plain = difference(units, period_ratio=2.0)
    moved = difference({a: 1e5 + 3 * v for a, v in units.items()}, period_ratio=2.0)
    assert moved["effect"] == pytest.approx(3 * plain["effect"], rel=1e-7)
    assert moved["effect_se"] == pytest.approx(3 * plain["effect_se"], rel=1e-7)
    turned = difference({"control": units["treatment"], "treatment": units["control"]}, period_ratio=2.0)
    assert turned["effect"] == pytest.approx(-plain["effect"], rel=1e-9)
    trend = difference({a: v + np.array([7.0, 0, 0, 0]) for a, v in units.items()}, period_ratio=2.0)
    assert trend["effect"] == pytest.approx(plain["effect"], rel=1e-9)


def test_gains_that_do_not_vary_are_zero_variance():
    units = panel(53)
    for arm, plus in (("control", 0.0), ("treatment", 1.0)):
        units[arm][:, 0] = units[arm][:, 2] + plus
    row = difference(units)
    assert row["status"] == "zero_variance" and np.isnan(row["effect_se"])


def test_no_pre_period_or_no_closed_window_is_no_row():
    units = panel(54)
    silent = {a: v * np.array([1, 1, 0, 1]) for a, v in units.items()}
    for table in (
        plan_row(1, silent, "difference_in_differences"),
        plan_row(1, {a: v[:, :2] for a, v in units.items()}, "difference_in_differences"),
        plan_row(1, units, "difference_in_differences", period_ratio=np.nan),
        plan_row(1, units, "cuped"),
    ):
        assert len(frame_of(difference_estimates(pd.DataFrame([table])))) == 0


@pytest.mark.parametrize("alternative", ["greater", "less"])
def test_trap_one_sided_tests_have_one_sided_intervals(alternative):
    units, strata = stratified_arms(60)
    for row in (
        regression(arms(60), alternative=alternative),
        stratified(units, strata, alternative=alternative),
        difference(panel(60), alternative=alternative),
    ):
        assert np.isinf(row["effect_ci_high" if alternative == "greater" else "effect_ci_low"])
        inside = row["effect_ci_low"] <= 0 <= row["effect_ci_high"]
        assert inside == (row["p_value"] >= 0.05)


def test_trap_a_negative_control_mean_keeps_the_sign_of_the_lift():
    units, strata = stratified_arms(61)
    low = {a: v - 100 for a, v in units.items()}
    for row in (
        regression({a: v - np.array([100, 0, 0, 0]) for a, v in arms(61).items()}),
        stratified(low, strata),
        difference({a: v - np.array([100, 0, 0, 0]) for a, v in panel(61).items()}),
    ):
        assert np.sign(row["lift"]) == np.sign(row["effect"]) and row["mean_control"] < 0
