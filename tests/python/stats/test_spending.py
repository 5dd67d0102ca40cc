"""Alpha-spending functions against rpact's, at their ends, and where probabilities leave the range of a double."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from python_stats.sequential.spending import (
    SPENDING,
    SpendingParameterError,
    UnknownSpendingError,
    alpha_spending,
    information_fraction,
    log_alpha_spending,
)
from python_stats.wald import AlphaError

FAMILIES = [
    ("obrien_fleming", None),
    ("pocock", None),
    ("power", 1.0),
    ("power", 3.0),
    ("hwang_shih_decani", -4.0),
    ("hwang_shih_decani", 0.0),
    ("hwang_shih_decani", 2.0),
]


def test_cumulative_alpha_is_the_oracles(oracle_case):
    case = oracle_case("gs_obf_spending")
    for schedule in case.expected.values():
        want = np.array(schedule["cumulative_alpha_spent_one_sided"])
        got = alpha_spending(schedule["information"], alpha=0.025)
        case.check("cumulative_alpha_spent_one_sided", got, want)
        # Tighter than the case asks; rpact's own rounding is about 1e-16.
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-15)
    case = oracle_case("gs_power_spending")
    for rho in (1, 2, 3):
        want = case.expected[f"rho{rho}"]["cumulative_alpha_spent_one_sided"]
        got = alpha_spending(case.inputs["information"], alpha=0.025, spending="power", parameter=rho)
        np.testing.assert_allclose(got, want, rtol=1e-12)


def test_literal_values():
    # R rpact 3.3.4, asOF, alpha = .025 one-sided, five equal looks (gs_obf_spending.k5).
    want = [5.38871262945051e-07, 0.000394151756691219, 0.00380806331098937, 0.012211790346448, 0.025]
    np.testing.assert_allclose(alpha_spending([0.2, 0.4, 0.6, 0.8, 1.0], alpha=0.025), want, rtol=1e-7)
    # Written out by hand from the definitions.
    np.testing.assert_allclose(alpha_spending(0.5, spending="pocock"), 0.05 * np.log(1 + (np.e - 1) / 2), rtol=1e-14)
    got = alpha_spending(0.5, spending="hwang_shih_decani", parameter=-4.0)
    np.testing.assert_allclose(got, 0.05 * (1 - np.exp(2)) / (1 - np.exp(4)), rtol=1e-14)


@pytest.mark.parametrize(("spending", "parameter"), FAMILIES)
@settings(max_examples=30, deadline=None)
@given(
    alpha=st.floats(1e-8, 0.999),
    thousandths=st.lists(st.integers(1, 999), min_size=2, max_size=8, unique=True),
)
def test_spends_nothing_at_zero_all_at_one_and_more_in_between(spending, parameter, alpha, thousandths):
    t = np.concatenate([[0.0], np.sort(thousandths) / 1000.0, [1.0]])
    spent = alpha_spending(t, alpha=alpha, spending=spending, parameter=parameter)
    assert spent[0] == 0.0
    assert spent[-1] == alpha
    assert np.all(np.diff(spent) >= 0.0)
    assert np.all((spent >= 0.0) & (spent <= alpha))
    logarithm = log_alpha_spending(t[1:], alpha=alpha, spending=spending, parameter=parameter)
    np.testing.assert_allclose(np.exp(logarithm), spent[1:], rtol=1e-12)


def test_trap_fraction_above_one_spends_exactly_alpha():
    for spending, parameter in FAMILIES:
        assert alpha_spending(1.7, alpha=0.03, spending=spending, parameter=parameter) == 0.03


def test_trap_probability_below_the_smallest_double_keeps_a_finite_logarithm():
    assert alpha_spending(0.001, alpha=0.025) == 0.0
    # log(2 * Phi(-x)) ~ log(2) - x**2/2 - log(x * sqrt(2 pi)) at x = 2.2414 / sqrt(.001) = 70.88.
    assert log_alpha_spending(0.001, alpha=0.025) == pytest.approx(-2516.43, abs=0.01)


def test_steep_hwang_shih_decani_does_not_overflow():
    t = np.array([0.1, 0.5, 0.9, 1.0])
    early = alpha_spending(t, spending="hwang_shih_decani", parameter=900.0)
    late = log_alpha_spending(t, spending="hwang_shih_decani", parameter=-900.0)
    np.testing.assert_allclose(early, 0.05, rtol=1e-12)
    np.testing.assert_allclose(late, np.log(0.05) - 900.0 * (1.0 - t), rtol=1e-12)


def test_names_and_parameters_per_element():
    t = np.full(4, 0.3)
    names = np.array(SPENDING)
    got = alpha_spending(t, alpha=0.05, spending=names, parameter=[np.nan, np.nan, 2.0, 1.5])
    one_by_one = [
        alpha_spending(0.3, spending=name, parameter=parameter)
        for name, parameter in zip(names, (None, None, 2.0, 1.5), strict=True)
    ]
    np.testing.assert_array_equal(got, one_by_one)


def test_missing_or_negative_fraction_is_nan():
    assert np.isnan(alpha_spending([np.nan, -0.1])).all()


def test_wrong_arguments_are_refused_in_words():
    with pytest.raises(UnknownSpendingError, match="obf"):
        alpha_spending(0.5, spending="obf")
    with pytest.raises(SpendingParameterError, match="rho"):
        alpha_spending(0.5, spending="power")
    with pytest.raises(SpendingParameterError, match="rho"):
        alpha_spending(0.5, spending="power", parameter=-1.0)
    with pytest.raises(SpendingParameterError, match="gamma"):
        alpha_spending(0.5, spending="hwang_shih_decani")
    with pytest.raises(AlphaError):
        alpha_spending(0.5, alpha=1.0)


def test_information_fraction_without_a_plan_is_nan():
    got = information_fraction([50, 150, 10, 10], [100, 100, 0, np.nan])
    np.testing.assert_array_equal(got, [0.5, 1.5, np.nan, np.nan])
