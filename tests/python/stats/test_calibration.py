"""The calibration in small: the harness measures what it says, every study runs, what is shown to fail does fail."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from python_stats.clusters.totals import cluster_moments
from python_stats.moments import moments_of
from python_stats.simulation.bands import margin, verdict
from python_stats.simulation.calibration import all_studies, calibrate
from python_stats.simulation.populations import lognormal, zero_inflated
from python_stats.simulation.reductions import bucket_totals, cluster_arms, order_window, ranks
from python_stats.simulation.report import judge, page
from python_stats.simulation.shipped import comparison_frame, headline, shipped
from python_stats.simulation.study import Study, run
from python_stats.simulation.trials import Tally, Trials, answers, holds, rejections

PAGE = Path(__file__).resolve().parents[3] / "docs" / "calibration.md"
SEED = 11
STUDIES = all_studies()
# Replications of the small version; a study of daily looks or of resampled clusters costs far more than the others.
FEW = {"Daily peeking for 30 days": 12, "Clusters: CR3, randomization inference, wild bootstrap": 12}
MORE = 40


def small(study: Study, replications: int | None = None) -> list:
    wanted = replications or FEW.get(study.group, MORE)
    return run(study, seed=SEED, scale=wanted / study.replications)


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: f"{study.group}: {study.scenario}")
def test_every_study_runs_and_nothing_is_grossly_liberal_unexplained(study):
    results = small(study)
    assert results
    assert all(one.null.replications == one.effect.replications > 0 for one in results)
    # Judged by itself, as if the page had this study only; the explained and the contrasts may fail.
    unexplained = [row.result.method for row in judge(results) if row.is_unexplained]
    assert not unexplained


def study_of(group: str, scenario: str) -> Study:
    (found,) = (study for study in STUDIES if (study.group, study.scenario) == (group, scenario))
    return found


def by_method(study: Study, replications: int) -> dict:
    return {one.method: one for one in small(study, replications)}


def test_trap_a_t_test_of_units_ignores_their_clusters():
    found = by_method(study_of("Clusters", "mean, 10 clusters, equal sizes"), 1_000)
    ignored, cluster = (found[name].null for name in ("welch_t of units (clusters ignored)", "cluster"))
    assert ignored.rejected / ignored.tested > 0.15
    assert verdict(cluster.rejected, cluster.tested, 0.05, 1e-4) == "holds"


def test_trap_peeking_every_day_rejects_a_fifth_of_the_time_and_sequential_methods_do_not():
    found = by_method(study_of("Daily peeking for 30 days", "normal mean, 50 + 50 a day"), 80)
    naive = found["naive: the plain test every day"].null
    assert 0.12 < naive.rejected / naive.tested < 0.45
    for method in ("obrien_fleming", "pocock", "msprt", "asymptotic_cs"):
        null = found[method].null
        assert verdict(null.rejected, null.tested, 0.05, 1e-3) in ("holds", "conservative")


def test_trap_a_perfect_covariate_leaves_no_variance_and_is_refused():
    found = by_method(study_of("CUPED, regression adjustment, post-stratification", "perfect covariate, 100 + 100"), 50)
    assert found["cuped"].null.refused == 1
    assert found["difference"].null.refused == 0


def test_trap_the_limits_of_an_extreme_quantile_of_few_values_do_not_exist():
    found = by_method(study_of("Quantiles", "p99, lognormal(1), 200 + 200"), 50)
    assert found["quantile"].null.refused == found["quantile"].effect.refused == 1


def test_frames_reach_the_estimators_with_the_numbers_of_the_units():
    rng = np.random.default_rng(3)
    control, treatment = rng.normal(5, 1, (4, 30)), rng.normal(5.5, 2, (4, 20))
    frame = comparison_frame(moments_of(control[..., None]), moments_of(treatment[..., None]), ("numerator",))
    rows = headline(frame)
    want = stats.ttest_ind(treatment, control, axis=1, equal_var=False)
    np.testing.assert_allclose(rows["p_value"].to_numpy(dtype=float), want.pvalue, rtol=1e-12)
    interval = want.confidence_interval()
    scored = shipped(frame, interval.low + 1e-9)["difference"]
    np.testing.assert_array_equal(scored.covered, 1)
    np.testing.assert_array_equal(shipped(frame, interval.low - 1e-9)["difference"].covered, 0)


def test_looks_are_rows_of_one_experiment():
    frame = comparison_frame(*(moments_of(np.random.default_rng(i).normal(size=(2, 3, 5, 1))) for i in (1, 2)),
                             ("numerator",))  # fmt: skip
    assert frame["exp_id"].tolist() == ["0"] * 3 + ["1"] * 3
    assert frame["look_number"].tolist() == [1, 2, 3] * 2
    assert frame["is_last_look"].tolist() == [False, False, True] * 2


def test_rank_sums_and_ties_are_those_of_scipy():
    rng = np.random.default_rng(4)
    control, treatment = rng.integers(0, 5, (3, 12)).astype(float), rng.integers(0, 5, (3, 9)).astype(float)
    got = ranks(control, treatment)
    for i in range(3):
        ranked = stats.rankdata(np.concatenate([control[i], treatment[i]]))
        assert got.rank_sum_treatment[i] == ranked[12:].sum()
        _, ties = np.unique(np.concatenate([control[i], treatment[i]]), return_counts=True)
        assert got.tie_term[i] == (ties**3 - ties).sum()
        placement = (ranked[12:] - stats.rankdata(treatment[i])) / 12
        np.testing.assert_allclose(got.placement_var_treatment[i], placement.var(ddof=1))


def test_cluster_moments_are_those_of_the_units():
    rng = np.random.default_rng(5)
    size = np.array([[3, 4, 2, 5], [2, 2, 6, 3]])
    treated = np.array([[False, True, False, True], [True, True, False, False]])
    values = rng.normal(size=(size.sum(), 2))
    arms, clusters, rows = cluster_arms(size, treated, values)
    owner = np.repeat(np.arange(8), size.ravel())
    for replication in range(2):
        for arm in (0, 1):
            own = [4 * replication + g for g in range(4) if treated[replication, g] == bool(arm)]
            units = values[np.isin(owner, own)]
            want = moments_of(units)
            np.testing.assert_allclose(arms[arm].mean[replication], want.mean)
            np.testing.assert_allclose(arms[arm].cov[replication], want.cov)
            # CR2 as it is defined, with one row per unit.
            residual = units[:, 0] - units[:, 0].mean()
            parts = [residual[owner[np.isin(owner, own)] == g].sum() ** 2 / (1 - size.ravel()[g] / len(units))
                     for g in own]  # fmt: skip
            np.testing.assert_allclose(clusters[arm].cov[replication, 0, 0], sum(parts) / len(units))
    np.testing.assert_allclose(rows.totals.sum(axis=0), values.sum(axis=0))
    cell = 2 * rows.replication + rows.treated
    for is_ratio in (False, True):
        parts = cluster_arms(size, treated, np.abs(values), is_ratio=is_ratio)
        numerator, base = parts[2].totals[:, 0], parts[2].totals[:, 1] if is_ratio else rows.size
        want = cluster_moments(cell, rows.size, numerator, base)
        for arm in (0, 1):
            np.testing.assert_allclose(parts[1][arm].trace, want.trace_squared_cr2[arm::2])


def test_buckets_keep_every_unit_and_windows_are_sorted_values():
    rng = np.random.default_rng(6)
    values = rng.normal(size=(3, 500))
    totals = bucket_totals(rng, values, np.ones(values.shape), 20)
    np.testing.assert_allclose(totals.sum(axis=1), np.stack([values.sum(axis=1), *np.full((2, 3), 500.0)], axis=-1))
    n, first, window = order_window(values, 0.9)
    np.testing.assert_array_equal(window, np.sort(values, axis=1)[:, first - 1 : first - 1 + window.shape[1]])
    assert n == 500


@pytest.mark.parametrize("population", [lognormal(1.0), zero_inflated(0.1, 1.0)])
def test_populations_have_the_means_they_claim(population):
    drawn = population.draw(np.random.default_rng(7), (4_000_000,))
    assert abs(drawn.mean() - population.mean) < 5 * drawn.std() / 2000


def test_trimmed_mean_of_a_population():
    assert lognormal(2.0).trimmed_mean == pytest.approx(
        stats.trim_mean(np.random.default_rng(8).lognormal(0, 2, 2_000_000), 0.2), rel=0.005
    )


def test_answers_leave_out_what_is_missing():
    assert rejections([0.05, 0.0500001, np.nan]).tolist()[:2] == [1, 0]
    assert np.isnan(holds([0.0, np.nan], [1.0, 1.0], None)).all()
    tally = Tally()
    tally.add(answers([0.01, np.nan, 0.2], ([0, 0, np.nan], [1, 1, np.nan]), 2.0))
    assert (tally.replications, tally.tested, tally.rejected, tally.intervals, tally.covered) == (3, 2, 1, 2, 0)
    assert tally.refused == 0
    tally.add(Trials(*np.full((3, 5), np.nan)))
    assert tally.refused == 5 / 8


def test_a_wrong_level_is_called_by_its_name():
    nominal = stats.binom(10_000, 0.05)
    for errors, word in (
        (nominal.isf(1e-3), "holds"),
        (nominal.isf(1e-7), "liberal"),
        (nominal.ppf(1e-7), "conservative"),
    ):
        assert verdict(errors, 10_000, 0.05, 1e-5) == word
    assert verdict(0, 0, 0.05, 1e-5) == "none"
    assert margin(250, 1000) == pytest.approx(1.959964 * np.sqrt(0.25 * 0.75 / 1000))


def test_an_unexplained_failure_is_shown_and_an_explained_one_says_why():
    def simulate(rng: np.random.Generator, replications: int, with_effect: bool) -> dict[str, Trials]:
        p = rng.random(replications)
        return {"good": answers(p), "bad": answers(p / 3), "excused": answers(p / 3), "contrast": answers(p / 3)}

    study = Study("Group", "coins", "none", simulate, 2_000, notes={"excused": "because"}, contrast=("contrast",))
    results = run(study, seed=1)
    rows = {row.result.method: row for row in judge(results)}
    assert [name for name, row in rows.items() if row.is_unexplained] == ["bad"]
    assert [row.word for row in rows.values()] == ["holds", "liberal", "liberal", "contrast"]
    text = page(results, seed=1, scale=1)
    assert "**liberal, unexplained**" in text
    assert "1. Because." in text


def test_the_page_does_not_depend_on_how_it_is_run():
    groups = ("Families of tests",)
    pages = [
        page([one for part in calibrate(seed=2, scale=0.002, processes=processes, groups=groups) for one in part],
             seed=2, scale=0.002)
        for processes in (1, 2)
    ]  # fmt: skip
    assert pages[0] == pages[1]


def test_the_committed_page_is_of_these_studies_and_explains_every_failure():
    text = PAGE.read_text(encoding="utf-8")
    listed = re.findall(r"^\| (.+?); effect: .*?; [\d,]+ replications \|", text, flags=re.MULTILINE)
    assert listed == [study.scenario for study in STUDIES]
    assert "unexplained" not in text


def test_a_method_with_a_corrected_one_beside_it_is_judged_by_where_it_stands():
    def simulate(rng: np.random.Generator, replications: int, with_effect: bool) -> dict[str, Trials]:
        p, replaced = rng.random(replications), rng.random(replications) < 0.7
        good, bad = np.where(replaced, np.nan, p), np.where(replaced, np.nan, p / 3)
        corrected = answers(np.where(replaced, p, np.nan))
        return {"good": answers(good), "good_corrected": corrected, "bad": answers(bad), "bad_corrected": corrected,
                "rare": answers(p), "rare_corrected": answers(np.where(p < 0.3, p / 5, np.nan))}  # fmt: skip

    rows = {row.result.method: row for row in judge(run(Study("Group", "coins", "none", simulate, 4_000), seed=1))}
    assert [rows[name].word for name in ("good", "good_corrected", "bad", "rare")] == [
        "superseded", "holds", "liberal", "holds",
    ]  # fmt: skip
    assert rows["bad"].is_unexplained and rows["rare_corrected"].is_unexplained


def test_what_the_package_picks_is_no_contrast_and_what_is_beyond_its_promise_says_why():
    def simulate(rng: np.random.Generator, replications: int, with_effect: bool) -> dict[str, Trials]:
        return {"headline": answers(rng.random(replications) / 3)}

    with pytest.raises(ValueError, match="headline"):
        Study("Group", "coins", "none", simulate, contrast=("headline",))
    study = Study("Group", "coins", "none", simulate, 2_000, beyond="because")
    results = run(study, seed=1)
    (row,) = judge(results)
    assert (row.word, row.is_unexplained) == ("beyond", False)
    assert "1. Because." in page(results, seed=1, scale=1)


def test_the_page_lists_the_offered_cells_with_the_most_errors_once():
    def simulate(rng: np.random.Generator, replications: int, with_effect: bool) -> dict[str, Trials]:
        p = rng.random(replications)
        return {"method": answers(p), "headline": answers(p), "contrast": answers(p / 3)}

    text = page(run(Study("Group", "coins", "none", simulate, 2_000, contrast=("contrast",)), seed=1), seed=1, scale=1)
    listed = [line for line in text.splitlines() if line.endswith("| Group: coins | `method` |")]
    assert len(listed) == 1 and "Group: coins | `headline`" not in text and "Group: coins | `contrast`" not in text


def test_a_method_that_is_missing_from_a_block_had_no_answer_there():
    calls = iter(range(100))

    def simulate(rng: np.random.Generator, replications: int, with_effect: bool) -> dict[str, Trials]:
        p = rng.random(replications)
        return {"always": answers(p), **({"rare": answers(p)} if next(calls) == 0 else {})}

    always, rare = run(Study("Group", "coins", "none", simulate, 400, block=100), seed=1)
    assert (always.null.refused, rare.null.refused, rare.effect.refused) == (0.0, 0.75, 1.0)
