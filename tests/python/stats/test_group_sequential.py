"""Boundaries against rpact and gsDesign, and their type-I error by exact integration."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from python_stats.sequential.group_sequential import UnknownDesignError, classical_boundaries, spending_boundaries
from python_stats.sequential.recursive_integration import COARSE, crossing_probability
from python_stats.sequential.spending import UnknownSpendingError, alpha_spending
from python_stats.wald import AlphaError

FAMILIES = [("obrien_fleming", None), ("pocock", None), ("power", 2.0), ("hwang_shih_decani", -4.0)]


@st.composite
def schedules(draw, most=9):
    gaps = draw(st.lists(st.floats(0.02, 1.0), min_size=1, max_size=most))
    t = np.cumsum(gaps)
    t = t / t[-1]
    # The last look may come too early or too late; only one look can be late.
    end = draw(st.sampled_from([1.0, 1.0, 0.6, 1.15]))
    return t * end if end < 1.0 else np.append(t[:-1], end)


# Reference cases ------------------------------------------------------------------------------------------------------


def test_obrien_fleming_type_per_side(oracle_case):
    case = oracle_case("gs_obf_spending")
    for want in case.expected.values():
        got = spending_boundaries(want["information"], alpha=case.inputs["alpha_two_sided"])
        case.check("z", got.z_boundary, want["z"])
        case.check("nominal_two_sided_p", got.nominal_p_value, want["nominal_two_sided_p"])
        case.check("cumulative_alpha", got.cumulative_alpha / 2, want["cumulative_alpha_spent_one_sided"])
        # rpact and gsDesign agree to 1.1e-5 and so do we; the tolerance of the case admits more.
        np.testing.assert_allclose(got.z_boundary, want["z"], atol=2e-5)
        np.testing.assert_allclose(got.nominal_p_value, want["nominal_two_sided_p"], rtol=2e-4)


def test_trap_ldbounds_search_tolerance(oracle_case):
    # ldbounds 2.0.2 gives 4.8989 for the second of ten looks.
    z = spending_boundaries(np.arange(1, 11) / 10).z_boundary
    assert z[1] == pytest.approx(4.87688519369112, abs=1e-5)
    case = oracle_case("gs_obf_spending")
    ldbounds = np.array(case.record["second_route"][0]["ldbounds_k10"])
    assert abs(ldbounds[1] - z[1]) > 0.02


def test_obrien_fleming_type_symmetric(oracle_case):
    case = oracle_case("gs_obf_two_sided_symmetric")
    got = spending_boundaries(case.inputs["information"], sided="symmetric")
    case.check("z", got.z_boundary)
    case.check("cumulative_alpha_two_sided", got.cumulative_alpha)
    np.testing.assert_allclose(got.z_boundary, case.expected["z"], atol=1e-6)


def test_power_family(oracle_case):
    case = oracle_case("gs_power_spending")
    for rho in (1, 2, 3):
        want = case.expected[f"rho{rho}"]
        got = spending_boundaries(
            case.inputs["information"], alpha=case.inputs["alpha_two_sided"], spending="power", parameter=rho
        )
        case.check(f"rho{rho}", got.z_boundary, want["z"])
        case.check(f"rho{rho}", got.cumulative_alpha / 2, want["cumulative_alpha_spent_one_sided"])
        np.testing.assert_allclose(got.z_boundary, want["z"], atol=2e-5)


def test_classical_constants(oracle_case):
    case = oracle_case("gs_classical_jt")
    for looks in case.inputs["K"]:
        t = np.arange(1, looks + 1) / looks
        want = case.expected[f"K{looks}"]
        case.check("OF", classical_boundaries(t), want["OF"])
        case.check("Pocock", classical_boundaries(t, shape="pocock"), want["Pocock"])


def test_trap_three_designs_of_one_name():
    # R rpact 3.3.4 and gsDesign 3.4.0: five equal looks, "O'Brien-Fleming, two-sided .05", first and last boundary.
    t = np.arange(1, 6) / 5
    designs = {
        "spent per side": (spending_boundaries(t).z_boundary, 4.87688494879076, 2.03103206009837),
        "spent on |Z|": (spending_boundaries(t, sided="symmetric").z_boundary, 4.38261270288438, 2.06350121728403),
        "classical": (classical_boundaries(t), 4.56174229809079, 2.04007317487342),
    }
    for name, (z, first, last) in designs.items():
        assert z[0] == pytest.approx(first, abs=1e-5), name
        assert z[-1] == pytest.approx(last, abs=1e-5), name


# Type-I error by exact integration ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("spending", "parameter"), FAMILIES)
@settings(max_examples=25, deadline=None)
@given(t=schedules(), alpha=st.sampled_from([0.001, 0.05, 0.3]))
def test_crossing_probabilities_are_the_alpha_spent(t, spending, parameter, alpha):
    options = {"alpha": alpha, "spending": spending, "parameter": parameter}
    one = spending_boundaries(t, sided="one_sided", **options)
    np.testing.assert_allclose(
        np.cumsum(crossing_probability(t, one.z_boundary).upper),
        alpha_spending(t, alpha=alpha, spending=spending, parameter=parameter),
        atol=2e-8,
    )
    both = spending_boundaries(t, sided="symmetric", **options)
    crossing = crossing_probability(t, both.z_boundary, -both.z_boundary)
    np.testing.assert_allclose(np.cumsum(crossing.upper + crossing.lower), both.cumulative_alpha, atol=2e-8)
    side = spending_boundaries(t, sided="per_side", **options)
    crossing = crossing_probability(t, side.z_boundary)
    np.testing.assert_allclose(np.cumsum(crossing.upper) * 2, side.cumulative_alpha, atol=2e-8)
    # Each side ignores the other, so the two-sided level is a little less than alpha, never more.
    crossing = crossing_probability(t, side.z_boundary, -side.z_boundary)
    total = np.sum(crossing.upper + crossing.lower)
    assert total <= side.cumulative_alpha[-1] + 2e-8
    assert total >= side.cumulative_alpha[-1] * (1 - alpha)


@pytest.mark.parametrize("sided", ["symmetric", "one_sided"])
@pytest.mark.parametrize("shape", ["obrien_fleming", "pocock"])
@pytest.mark.parametrize("t", [(0.1, 0.3, 0.35, 1.0), (0.5, 1.0), (1.0,)])
def test_classical_level_at_unequal_looks(t, shape, sided):
    z = classical_boundaries(t, alpha=0.1, shape=shape, sided=sided)
    p = crossing_probability(t, z, -z if sided == "symmetric" else -np.inf)
    assert np.sum(p.upper) + (np.sum(p.lower) if sided == "symmetric" else 0.0) == pytest.approx(0.1, abs=1e-8)


# Properties -----------------------------------------------------------------------------------------------------------


def test_one_look_is_the_fixed_test():
    for sided, z in (("per_side", 1.959963985), ("symmetric", 1.959963985), ("one_sided", 1.644853627)):
        assert spending_boundaries([1.0], sided=sided).z_boundary[0] == pytest.approx(z, abs=1e-8)


def test_smaller_alpha_has_higher_boundaries():
    t = np.array([0.1, 0.25, 0.6, 0.8, 1.0])
    alpha = np.geomspace(1e-10, 0.95, 40)
    for sided in ("per_side", "symmetric", "one_sided"):
        for spending, parameter in FAMILIES:
            z = spending_boundaries(
                np.tile(t, (40, 1)), alpha=alpha, spending=spending, parameter=parameter, sided=sided
            ).z_boundary
            assert np.all(np.diff(z, axis=0) < 0.0)


def test_obrien_fleming_type_falls_from_look_to_look():
    z = spending_boundaries(np.arange(1, 29) / 28).z_boundary
    assert np.all(np.diff(z) < 0.0)
    assert z[-1] > 1.96


def test_boundaries_do_not_depend_on_later_looks():
    early = spending_boundaries([0.2, 0.5]).z_boundary
    late = spending_boundaries([0.2, 0.5, 0.6, 0.9]).z_boundary
    np.testing.assert_allclose(early, late[:2], atol=1e-8)


def test_schedules_together_are_schedules_alone():
    rng = np.random.default_rng(20)
    count = 80
    t = np.sort(rng.uniform(0.01, 1.3, (count, 8)), axis=1)
    t[rng.random(t.shape) < 0.25] = np.nan
    alpha = rng.choice([0.01, 0.05, 0.2], count)
    spending = rng.choice(["obrien_fleming", "pocock", "power"], count)
    sided = rng.choice(["per_side", "symmetric", "one_sided"], count)
    parameter = np.where(spending == "power", 2.0, np.nan)
    together = spending_boundaries(t, alpha=alpha, spending=spending, parameter=parameter, sided=sided)
    for row in range(count):
        alone = spending_boundaries(
            t[row], alpha=alpha[row], spending=spending[row], parameter=parameter[row], sided=sided[row]
        )
        np.testing.assert_allclose(alone.z_boundary, together.z_boundary[row], atol=1e-7)
        np.testing.assert_allclose(alone.cumulative_alpha, together.cumulative_alpha[row], rtol=1e-12)
        np.testing.assert_array_equal(alone.new_look, together.new_look[row])
    cube = spending_boundaries(t.reshape(4, 20, 8), alpha=0.05)
    assert cube.z_boundary.shape == (4, 20, 8)
    repeated = spending_boundaries(np.tile(t[3], (50, 1))).z_boundary
    np.testing.assert_array_equal(repeated, np.tile(repeated[0], (50, 1)))


def test_thousands_of_schedules_take_seconds():
    rng = np.random.default_rng(1)
    gaps = rng.gamma(3.0, size=(1000, 10))
    t = np.cumsum(gaps, axis=1) / np.sum(gaps, axis=1, keepdims=True)
    start = time.process_time()
    z = spending_boundaries(t).z_boundary
    # About 0.25 s of processor time; a loop over schedules takes a hundred times as long.
    assert time.process_time() - start < 5.0
    assert np.isfinite(z).all()


# Two time scales ------------------------------------------------------------------------------------------------------


def normal_crossings(information, boundary):
    """First crossings of the upper boundary, by scipy's multivariate normal distribution function."""
    information, boundary = np.asarray(information), np.asarray(boundary)
    ratio = information[:, None] / information
    stayed = [1.0]
    for looks in range(1, information.size + 1):
        cov = np.sqrt(np.minimum(ratio, 1.0 / ratio))[:looks, :looks]
        stayed.append(multivariate_normal(cov=cov, abseps=1e-9, maxpts=10**7).cdf(boundary[:looks]))
    return -np.diff(stayed)


@pytest.mark.parametrize(("spending", "parameter"), FAMILIES)
def test_alpha_is_spent_by_one_clock_and_looks_are_correlated_by_another(spending, parameter):
    time_, information = np.array([0.3, 0.65, 1.0]), np.array([410.0, 560.0, 600.0])
    got = spending_boundaries(information, spending_time=time_, spending=spending, parameter=parameter)
    spent = alpha_spending(time_, alpha=0.025, spending=spending, parameter=parameter)
    np.testing.assert_allclose(normal_crossings(information, got.z_boundary), np.diff(spent, prepend=0), atol=2e-6)
    np.testing.assert_allclose(got.cumulative_alpha, 2 * spent, rtol=1e-12)
    np.testing.assert_array_equal(got.information_fraction, time_)


def test_the_scale_of_the_information_does_not_matter():
    time_, information = np.array([0.2, 0.5, 0.9, 1.3]), np.array([0.3, 0.4, 0.8, 0.9])
    one = spending_boundaries(information, spending_time=time_)
    other = spending_boundaries(information * 1e7, spending_time=time_)
    np.testing.assert_allclose(other.z_boundary, one.z_boundary, rtol=1e-12)
    np.testing.assert_array_equal(one.over_planned, [False, False, False, True])
    same = spending_boundaries(time_, spending_time=time_)
    np.testing.assert_array_equal(same.z_boundary, spending_boundaries(time_).z_boundary)


def test_slow_information_lowers_the_boundary():
    # Looks that are more alike than their spending says waste less of what is spent.
    time_ = np.array([0.25, 0.5, 0.75, 1.0])
    slow = spending_boundaries(1.0 + time_, spending_time=time_, spending="pocock").z_boundary
    plain = spending_boundaries(time_, spending="pocock").z_boundary
    assert slow[0] == pytest.approx(plain[0])
    assert np.all(slow[1:] < plain[1:])


def test_new_information_without_new_spending_has_no_boundary():
    got = spending_boundaries([1.0, 2.0, 3.0, 4.0], spending_time=[0.3, 0.3, 0.2, 1.0])
    assert np.isnan(got.z_boundary[1:3]).all()
    without = spending_boundaries([1.0, 4.0], spending_time=[0.3, 1.0])
    np.testing.assert_allclose(got.z_boundary[[0, 3]], without.z_boundary, rtol=1e-9)
    lacking = spending_boundaries([1.0, 2.0, 4.0], spending_time=[0.3, np.nan, 1.0])
    np.testing.assert_allclose(lacking.z_boundary[[0, 2]], without.z_boundary, rtol=1e-9)
    assert np.isnan(lacking.z_boundary[1])


def test_coarse_boundaries_have_four_digits():
    rng = np.random.default_rng(3)
    t = np.cumsum(rng.gamma(1.0, 1.0, (50, 14)), axis=1)
    t /= t[:, -1:]
    for alpha in (0.05, 1e-6, 0.8):
        fine = spending_boundaries(t, alpha=alpha)
        coarse = spending_boundaries(t, alpha=alpha, resolution=COARSE)
        np.testing.assert_allclose(coarse.z_boundary, fine.z_boundary, atol=5e-4)


# Traps and edges ------------------------------------------------------------------------------------------------------


def test_trap_tiny_first_look_is_finite():
    # 8.30: the exact tail quantile. rpact prints Inf, gsDesign 20, ldbounds spends nothing.
    z = spending_boundaries([1 / 14, 3 / 14, 1.0]).z_boundary
    assert z[0] == pytest.approx(8.30465020898813, abs=1e-6)
    tiny = spending_boundaries([1e-9, 1e-4, 0.01, 0.5, 1.0])
    assert np.isfinite(tiny.z_boundary).all()
    assert np.all(np.diff(tiny.z_boundary) < 0)
    assert tiny.cumulative_alpha[0] == 0.0
    np.testing.assert_allclose(tiny.z_boundary[3:], spending_boundaries([0.5, 1.0]).z_boundary, atol=1e-6)


def test_trap_fraction_above_one_is_clamped_and_flagged():
    over = spending_boundaries([0.5, 1.1])
    np.testing.assert_array_equal(over.information_fraction, [0.5, 1.0])
    np.testing.assert_array_equal(over.over_planned, [False, True])
    assert over.cumulative_alpha[1] == pytest.approx(0.05, rel=1e-12)
    # The level holds for the information that is really there; clamping it as well would be too generous.
    crossing = crossing_probability([0.5, 1.1], over.z_boundary)
    assert np.sum(crossing.upper) == pytest.approx(0.025, abs=1e-8)
    assert over.z_boundary[1] > spending_boundaries([0.5, 1.0]).z_boundary[1]


def test_trap_no_alpha_left_is_null_not_infinite():
    after = spending_boundaries([0.5, 1.0, 1.2, 1.4])
    assert np.isnan(after.z_boundary[2:]).all()
    np.testing.assert_array_equal(after.new_look, [True, True, False, False])
    np.testing.assert_allclose(after.cumulative_alpha[1:], 0.05, rtol=1e-12)
    # A sum of shares that misses 1 by rounding ends the design too.
    almost = spending_boundaries([0.5, 1.0 - 1e-12, 1.2])
    assert np.isnan(almost.z_boundary[2])


def test_a_look_without_new_information_repeats_the_boundary():
    same = spending_boundaries([0.3, 0.3, 0.3, 0.7, 0.7, 1.0, 1.0])
    base = spending_boundaries([0.3, 0.7, 1.0]).z_boundary
    np.testing.assert_allclose(same.z_boundary, base[[0, 0, 0, 1, 1, 2, 2]], atol=1e-9)
    np.testing.assert_array_equal(same.new_look, [True, False, False, True, False, True, False])


def test_a_look_with_hardly_any_new_information_adds_nothing_to_the_level():
    t = np.array([0.5, 0.5003, 0.8, 1.0])
    for spending, parameter in FAMILIES:
        nearly = spending_boundaries(t, spending=spending, parameter=parameter)
        np.testing.assert_array_equal(nearly.new_look, [True, False, True, True])
        assert 0.0 < nearly.z_boundary[1] - nearly.z_boundary[0] < 0.15
        crossing = crossing_probability(t, nearly.z_boundary)
        assert crossing.upper[1] < 1e-9
        assert np.sum(crossing.upper) == pytest.approx(0.025, abs=1e-8)


def test_a_look_with_less_information_has_no_boundary():
    lost = spending_boundaries([0.4, 0.3, 0.6, 1.0]).z_boundary
    assert np.isnan(lost[1])
    np.testing.assert_allclose(lost[[0, 2, 3]], spending_boundaries([0.4, 0.6, 1.0]).z_boundary, atol=1e-9)


def test_one_bad_schedule_does_not_stop_the_others():
    t = np.array([[0.5, 1.0], [np.nan, np.nan], [0.0, 0.0], [-1.0, 1.0], [np.inf, 1.0], [np.nan, 1.0]])
    z = spending_boundaries(t).z_boundary
    assert np.isfinite(z[0]).all()
    assert np.isnan(z[1:3]).all()
    assert np.isnan(z[3:, 0]).all()
    np.testing.assert_allclose(z[3:, 1], 1.959963985, atol=1e-8)
    assert spending_boundaries(np.empty((0, 3))).z_boundary.shape == (0, 3)


def test_extreme_levels_keep_their_level():
    t = np.array([0.1, 0.4, 0.45, 1.0])
    for alpha in (1e-12, 1e-6, 0.5, 0.9):
        z = spending_boundaries(t, alpha=alpha, sided="one_sided").z_boundary
        assert np.sum(crossing_probability(t, z).upper) == pytest.approx(alpha, rel=1e-4, abs=1e-8 * (alpha > 1e-3))


def test_wrong_arguments_are_refused_in_words():
    with pytest.raises(UnknownDesignError, match="two_sided"):
        spending_boundaries([0.5, 1.0], sided="two_sided")
    with pytest.raises(UnknownSpendingError, match="none"):
        spending_boundaries([0.5, 1.0], spending="none")
    with pytest.raises(AlphaError):
        spending_boundaries([0.5, 1.0], alpha=0.0)
    with pytest.raises(ValueError, match="axis of looks"):
        spending_boundaries(0.5)
    with pytest.raises(UnknownDesignError, match="haybittle"):
        classical_boundaries([0.5, 1.0], shape="haybittle")
    with pytest.raises(UnknownDesignError, match="per_side"):
        classical_boundaries([0.5, 1.0], sided="per_side")


def test_classical_boundaries_of_ragged_schedules():
    z = classical_boundaries([[0.5, 1.0, np.nan], [1 / 3, 2 / 3, 1.0], [np.nan] * 3], alpha=[0.05, 0.01, 0.05])
    np.testing.assert_allclose(z[0, :2], [2.79650968126491, 1.97743095927625], atol=1e-6)
    assert np.isnan(z[0, 2])
    assert np.isnan(z[2]).all()
    np.testing.assert_allclose(z[1], classical_boundaries([1 / 3, 2 / 3, 1.0], alpha=0.01), atol=1e-8)
