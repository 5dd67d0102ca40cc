"""Chi-square and exact conditional inference against R and enumeration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import comb

import python_stats.rates.contingency as contingency
from python_stats.rates.contingency import chi_square_rxc, conditional_odds_ratio, fisher_exact_2x2
from python_stats.rates.proportions import two_proportion_z
from python_stats.wald import ALTERNATIVES

# Control and treatment as (successes, n) in turn: Fisher's convictions of monozygotic twins against dizygotic, and tea.
CONVICTIONS = (10, 13, 2, 17)
TEA = (1, 4, 3, 4)


def cross_table(rows, columns, counts):
    row, column = np.unique(rows, return_inverse=True)[1], np.unique(columns, return_inverse=True)[1]
    table = np.zeros((row.max() + 1, column.max() + 1))
    np.add.at(table, (row, column), counts)
    return table


def test_chi_square_oracle(oracle_case):
    case = oracle_case("chisq_rxc")
    hair = case.table()
    result = chi_square_rxc(cross_table(hair["Hair"], hair["Eye"], hair["Freq"]))
    case.check("chi2", result.statistic)
    case.check("df", result.df)
    case.check("p", result.p_value)
    case.check("G", result.g_statistic)
    case.check("cramers_v", result.cramers_v)
    ucb = case.table("cases/ucb_admissions.csv")
    gender = chi_square_rxc(cross_table(ucb["Gender"], ucb["Dept"], ucb["Freq"]))
    expected = case.expected["ucb_gender_by_dept_2x6"]
    case.check("chi2", gender.statistic, expected["chi2"])
    case.check("df", gender.df, expected["df"])
    case.check("p", gender.p_value, expected["p"])


def test_fisher_oracle(oracle_case):
    # Not ours: job_p (the exact test of a 4 x 4 table); convictions_or_ci95_R_fisher_test (limits that R finds with a
    # loose tolerance); convictions_or_sample (another estimate).
    case = oracle_case("fisher_exact")
    assert [list(row) for row in ([2, 15], [10, 3])] == case.inputs["convictions"]
    case.check("convictions_p", fisher_exact_2x2(*CONVICTIONS))
    case.check("convictions_p_less", fisher_exact_2x2(*CONVICTIONS, alternative="less"))
    case.check("tea_p_greater", fisher_exact_2x2(*TEA, alternative="greater"))
    ratio = conditional_odds_ratio(*CONVICTIONS)
    case.check("convictions_or_conditional_mle", ratio.odds_ratio)
    case.check("convictions_or_ci95_exact", [ratio.ci_low, ratio.ci_high])
    assert abs(ratio.odds_ratio - case.expected["convictions_or_sample"]) > 0.005


def test_fisher_as_printed_in_r_help():
    np.testing.assert_allclose(fisher_exact_2x2(*CONVICTIONS, alternative="less"), 0.0004652, atol=5e-8)
    np.testing.assert_allclose(fisher_exact_2x2(*TEA, alternative="greater"), 0.2429, atol=5e-5)


def test_expected_counts_by_hand():
    result = chi_square_rxc([[10, 20], [30, 40]])
    np.testing.assert_allclose(result.expected, [[12, 18], [28, 42]])
    assert result.smallest_expected == 12
    np.testing.assert_allclose(result.statistic, 4 / 12 + 4 / 18 + 4 / 28 + 4 / 42)


def test_two_by_two_is_the_squared_pooled_z():
    result = chi_square_rxc([[55, 355], [40, 360]])
    z = two_proportion_z(55, 410, 40, 400)
    np.testing.assert_allclose(result.statistic, z.statistic**2, rtol=1e-12)
    np.testing.assert_allclose(result.p_value, z.p_value, rtol=1e-12)


@settings(deadline=None)
@given(st.integers(2, 4), st.integers(2, 5), st.integers(0, 10**6))
def test_order_and_side_of_the_table_do_not_matter(r, c, seed):
    rng = np.random.default_rng(seed)
    table = rng.integers(1, 50, (r, c))
    base = chi_square_rxc(table)
    for other in (table.T, table[rng.permutation(r)], table[:, rng.permutation(c)]):
        got = chi_square_rxc(other)
        np.testing.assert_allclose(got.statistic, base.statistic, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(
            [got.g_statistic, got.p_value], [base.g_statistic, base.p_value], rtol=1e-9, atol=1e-9
        )
    assert 0.0 <= base.cramers_v <= 1.0
    np.testing.assert_allclose(chi_square_rxc(3 * table).statistic, 3 * base.statistic, rtol=1e-9, atol=1e-12)


def test_many_tables_at_once():
    rng = np.random.default_rng(17)
    tables = rng.integers(0, 30, (4, 5, 3, 3)) + 1
    together = chi_square_rxc(tables)
    assert together.expected.shape == tables.shape
    for index in np.ndindex(4, 5):
        alone = chi_square_rxc(tables[index])
        for whole, single in zip(together, alone, strict=True):
            np.testing.assert_allclose(whole[index], single, rtol=1e-12)


def test_empty_rows_and_columns_are_not_degrees_of_freedom():
    full = chi_square_rxc([[10, 20], [20, 20]])
    padded = chi_square_rxc([[10, 0, 20], [20, 0, 20], [0, 0, 0]])
    for got, want in zip(padded, full, strict=True):
        if np.ndim(want) == 0:
            np.testing.assert_allclose(got, want)


@pytest.mark.parametrize(
    "table", [[[1, 2], [0, 0]], [[3, 0], [2, 0]], [[0, 0], [0, 0]], [[1, -1], [2, 3]], [[1, np.nan], [2, 3]]]
)
def test_tables_that_say_nothing_have_no_number_and_stop_nobody(table):
    result = chi_square_rxc([table, [[5, 6], [7, 9]]])
    for field in (result.statistic, result.df, result.p_value, result.g_p_value, result.cramers_v):
        assert np.isnan(field).tolist() == [True, False]
    assert np.isnan(result.expected[0]).all()


def test_identical_rows_have_p_one():
    result = chi_square_rxc([[0.1, 0.2, 0.7], [0.3, 0.6, 2.1]])
    np.testing.assert_allclose([result.p_value, result.g_p_value], 1.0)


def test_a_list_is_no_table():
    with pytest.raises(ValueError, match="two axes"):
        chi_square_rxc([1, 2, 3])


def enumerate_fisher(x_c, n_c, x_t, n_t):
    """Add up the tables one by one."""
    x = np.arange(max(0, x_c + x_t - n_c), min(x_c + x_t, n_t) + 1)
    mass = comb(n_t, x) * comb(n_c, x_c + x_t - x) / comb(n_c + n_t, x_c + x_t)
    seen = mass[x == x_t]
    return mass[mass <= seen * (1 + 1e-7)].sum(), mass[x >= x_t].sum(), mass[x <= x_t].sum()


def test_fisher_adds_up_tables_in_every_cell_at_once():
    n_c, n_t = 9, 12
    x_c, x_t = (axis.ravel() for axis in np.meshgrid(np.arange(n_c + 1), np.arange(n_t + 1)))
    want = np.array([enumerate_fisher(a, n_c, b, n_t) for a, b in zip(x_c, x_t, strict=True)]).T
    for side, expected in zip(ALTERNATIVES, want, strict=True):
        np.testing.assert_allclose(fisher_exact_2x2(x_c, n_c, x_t, n_t, alternative=side), expected, rtol=1e-11)
    mixed = fisher_exact_2x2(x_c[:3], n_c, x_t[:3], n_t, alternative=ALTERNATIVES)
    np.testing.assert_allclose(mixed, np.diag(want[:, :3]), rtol=1e-11)


def test_trap_two_sided_fisher_is_not_the_doubled_one_sided_p():
    assert fisher_exact_2x2(*CONVICTIONS) < 1.9 * fisher_exact_2x2(*CONVICTIONS, alternative="less")


def test_blocks_do_not_change_the_answer(monkeypatch):
    rng = np.random.default_rng(19)
    n_c, n_t = rng.integers(1, 40, (2, 6, 5))
    x_c, x_t = rng.binomial(n_c, 0.3), rng.binomial(n_t, 0.5)
    whole, ratio = fisher_exact_2x2(x_c, n_c, x_t, n_t), conditional_odds_ratio(x_c, n_c, x_t, n_t)
    monkeypatch.setattr(contingency, "TABLES_PER_BLOCK", 20)
    assert whole.shape == (6, 5)
    np.testing.assert_array_equal(fisher_exact_2x2(x_c, n_c, x_t, n_t), whole)
    np.testing.assert_allclose(conditional_odds_ratio(x_c, n_c, x_t, n_t), ratio, rtol=1e-12)


def test_fisher_at_a_million_units():
    # scipy 1.17 fisher_exact.
    np.testing.assert_allclose(fisher_exact_2x2(50_000, 10**6, 50_500, 10**6), 0.10627779303140698, rtol=1e-8)


def test_odds_ratio_limits_are_where_fisher_stops_rejecting():
    # The lower limit's odds ratio makes the observed table or a more extreme one as probable as alpha / 2.
    x_c, n_c, x_t, n_t = 4, 15, 9, 14
    low = conditional_odds_ratio(x_c, n_c, x_t, n_t).ci_low
    x = np.arange(max(0, x_c + x_t - n_c), min(x_c + x_t, n_t) + 1)
    mass = comb(n_t, x) * comb(n_c, x_c + x_t - x) * low**x
    np.testing.assert_allclose(mass[x >= x_t].sum() / mass.sum(), 0.025, rtol=1e-10)


def test_swapping_the_arms_inverts_the_odds_ratio():
    there, back = conditional_odds_ratio(4, 15, 9, 14), conditional_odds_ratio(9, 14, 4, 15)
    np.testing.assert_allclose(there, [1 / back.odds_ratio, 1 / back.ci_high, 1 / back.ci_low], rtol=1e-10)


def test_odds_ratio_at_the_ends_and_one_sided():
    ratio = conditional_odds_ratio([0, 5], 10, [5, 0], 10)
    assert ratio.odds_ratio.tolist() == [np.inf, 0.0]
    assert ratio.ci_high[0] == np.inf
    assert ratio.ci_low[1] == 0.0
    both = conditional_odds_ratio(4, 15, 9, 14, alpha=0.1)
    np.testing.assert_allclose(conditional_odds_ratio(4, 15, 9, 14, alternative="greater")[1:], [both.ci_low, np.inf])
    np.testing.assert_allclose(conditional_odds_ratio(4, 15, 9, 14, alternative="less")[1:], [0.0, both.ci_high])


def test_only_one_possible_table():
    assert fisher_exact_2x2(0, 10, 0, 12) == 1.0
    assert np.isnan(conditional_odds_ratio(0, 10, 0, 12)).all()


@pytest.mark.parametrize("cell", [(5, 4, 1, 4), (1, 4, 0, 0), (np.nan, 4, 1, 4), (1.5, 4, 1, 4)])
def test_impossible_counts_have_no_number_and_stop_nobody(cell):
    both = [np.array(pair, dtype=float) for pair in zip(cell, (10, 40, 20, 40), strict=True)]
    for field in (fisher_exact_2x2(*both), *conditional_odds_ratio(*both)):
        assert np.isnan(field).tolist() == [True, False]
