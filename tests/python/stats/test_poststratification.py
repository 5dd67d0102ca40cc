"""Post-stratification against estimatr and against the calculation stratum by stratum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from python_stats.adjustment.poststratification import poststratified
from python_stats.means.welch import welch_t
from python_stats.moments import Moments, merge_groups, moments_of, with_zeros


def strata_of_units(seed: int, sizes=((12, 9), (30, 31), (7, 20))) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Numerator and denominator of the units of each stratum, in control and treatment."""
    rng = np.random.default_rng(seed)
    arms: tuple[list, list] = ([], [])
    for level, sizes_of_arms in enumerate(sizes):
        for arm, n in enumerate(sizes_of_arms):
            den = 1 + rng.poisson(3 + level, n)
            num = rng.binomial(den, 0.3 + 0.1 * level) + 0.2 * arm
            arms[arm].append(np.column_stack([num, den]).astype(float))
    return arms


def means_of(arms, variables=(0,)) -> tuple[Moments, Moments]:
    return tuple(moments_of(arm).select(variables) for arm in arms)


def test_poststrat_star(oracle_case):
    case = oracle_case("poststrat_star")
    t = case.table()
    kept = np.isin(t["stark"], ["small", "regular"])
    for column in ("readk", "schoolk", "lunchk"):
        kept &= ~np.isin(t[column].astype(str), ["", "NA", "nan"])
    names, stratum = np.unique(
        np.char.add(np.char.add(t["schoolk"][kept].astype(str), "|"), t["lunchk"][kept].astype(str)),
        return_inverse=True,
    )
    y = t["readk"][kept].astype(float)
    small = t["stark"][kept] == "small"
    control, treatment = (moments_of([y[arm & (stratum == s)] for s in range(len(names))]) for arm in (~small, small))

    case.check("n", y.size)
    case.check("n_strata", len(names))
    got = poststratified(control, treatment)
    case.check("est", got.comparison.effect)
    case.check("se", got.comparison.se)
    case.check("df_blocked", got.comparison.df)
    case.check("p_blocked_t", got.comparison.p_value)
    case.check("ci95_blocked_t", [got.comparison.ci_low, got.comparison.ci_high])
    case.check("unadjusted_est", got.unadjusted.effect)
    case.check("unadjusted_se", got.unadjusted.se)
    case.check("unadjusted_p", got.unadjusted.p_value)
    case.check("n_strata", got.n_strata)
    normal = poststratified(control, treatment, reference="normal").comparison
    case.check("z", normal.statistic)
    case.check("p_z", normal.p_value)
    for i, want in enumerate(case.expected["strata"]):
        assert names[i] == want["stratum"]
        ours = {"n1": treatment.n, "n0": control.n, "m1": treatment.mean[:, 0], "m0": control.mean[:, 0]}
        ours |= {"v1": treatment.var[:, 0], "v0": control.var[:, 0]}
        for key, values in ours.items():
            case.check("strata", values[i], want[key])


def test_formula_with_literal_moments():
    """30 and 50 of 80 units: effects 1 and 0.5 within strata, by hand."""
    control = Moments([10, 30], [[1.0], [5.0]], [[[1.0]], [[4.0]]])
    treatment = Moments([20, 20], [[2.0], [5.5]], [[[1.0]], [[4.0]]])
    got = poststratified(control, treatment)
    np.testing.assert_allclose(got.comparison.effect, 0.375 * 1 + 0.625 * 0.5)
    variance = 0.375**2 * (1 / 20 + 1 / 10) + 0.625**2 * (4 / 20 + 4 / 30)
    np.testing.assert_allclose(got.comparison.se, np.sqrt(variance))
    np.testing.assert_allclose(got.comparison.df, 80 - 4)
    np.testing.assert_allclose(got.mean_control, 4.0)


def test_weights_are_shares_of_the_whole_sample_not_of_the_treated():
    control = Moments([90, 10], [[0.0], [0.0]], [[[1.0]], [[1.0]]])
    treatment = Moments([10, 90], [[1.0], [2.0]], [[[1.0]], [[1.0]]])
    np.testing.assert_allclose(poststratified(control, treatment).comparison.effect, 1.5)


def test_one_stratum_is_the_difference_in_means():
    c, t = means_of(strata_of_units(1, ((20, 25),)))
    got = poststratified(c, t)
    np.testing.assert_allclose(got.comparison.effect, got.unadjusted.effect)
    np.testing.assert_allclose(got.comparison.se, got.unadjusted.se)
    np.testing.assert_allclose(got.cov_effect_control, -(got.se_control**2))


@pytest.mark.parametrize("sizes", [((10, 1), (20, 20)), ((1, 10), (20, 20)), ((0, 3), (20, 20))])
def test_strata_with_fewer_than_two_units_are_refused_not_zero(sizes):
    got = poststratified(*means_of(strata_of_units(2, sizes)))
    assert np.isnan(got.comparison.effect)
    assert np.isnan(got.comparison.p_value)
    assert got.n_small_strata == 1
    assert np.isfinite(got.unadjusted.p_value)


def test_small_strata_are_merged_when_asked():
    arms = strata_of_units(3, ((1, 5), (4, 1), (20, 20)))
    got = poststratified(*means_of(arms), small_strata="merge")
    together = [[np.concatenate(arm[:2]), arm[2]] for arm in arms]
    wanted = poststratified(*means_of(together))
    np.testing.assert_allclose(got.comparison.p_value, wanted.comparison.p_value)
    assert (got.n_strata, got.n_small_strata, wanted.n_small_strata) == (2, 2, 0)


def test_merged_strata_that_are_still_too_small_join_the_smallest_other_one():
    arms = strata_of_units(4, ((20, 20), (1, 5), (6, 9)))
    got = poststratified(*means_of(arms), small_strata="merge")
    together = [[arm[0], np.concatenate(arm[1:])] for arm in arms]
    np.testing.assert_allclose(got.comparison.p_value, poststratified(*means_of(together)).comparison.p_value)
    assert got.n_strata == 2


def test_nothing_to_merge_with_is_nan():
    got = poststratified(*means_of(strata_of_units(5, ((1, 5), (0, 3)))), small_strata="merge")
    assert np.isnan(got.comparison.effect)
    assert got.n_strata == 1


def test_padding_is_not_a_stratum():
    arms = strata_of_units(6)
    c, t = means_of(arms)
    pad = Moments([0.0, np.nan], [[np.nan]] * 2, [[[np.nan]]] * 2)
    c, t = (
        Moments(np.append(m.n, pad.n), np.vstack([m.mean, pad.mean]), np.concatenate([m.cov, pad.cov])) for m in (c, t)
    )
    got, wanted = poststratified(c, t), poststratified(*means_of(arms))
    for a, b in zip(got.comparison, wanted.comparison, strict=True):
        np.testing.assert_allclose(a, b)
    assert got.n_strata == 3


def test_rows_per_stratum_with_a_cell_index_are_the_padded_array():
    """Three cells of 3, 1 and 2 strata in one call, in shuffled order, and each alone; the second cell is refused."""
    cells = [strata_of_units(7), strata_of_units(8, ((5, 1),)), strata_of_units(9, ((9, 9), (12, 4)))]
    index = np.array([0, 0, 0, 1, 2, 2])
    c, t = (moments_of([u for cell in cells for u in cell[arm]]) for arm in (0, 1))
    order = np.random.default_rng(10).permutation(6)
    for variables in ((0,), (0, 1)):
        rows = (c.select(variables)[order], t.select(variables)[order])
        for small in ("refuse", "merge"):
            got = poststratified(*rows, cell=index[order], n_cells=4, small_strata=small, alpha=[0.05, 0.1, 0.1, 0.05])
            for i, cell in enumerate(cells):
                alone = poststratified(*means_of(cell, variables), small_strata=small, alpha=[0.05, 0.1, 0.1][i])
                for a, b in zip(got.comparison, alone.comparison, strict=True):
                    np.testing.assert_allclose(a[i], b)
                for field in ("cov_effect_control", "se_control", "variance_reduction", "n_small_strata"):
                    np.testing.assert_allclose(getattr(got, field)[i], getattr(alone, field))
            np.testing.assert_array_equal(np.isnan(got.comparison.effect), [False, True, False, True])


def test_leading_axes_are_cells():
    c, t = means_of(strata_of_units(11))
    both = tuple(
        Moments(np.stack([m.n] * 2), np.stack([m.mean, 2 * m.mean]), np.stack([m.cov, 4 * m.cov])) for m in (c, t)
    )
    got = poststratified(*both)
    assert got.comparison.effect.shape == (2,)
    np.testing.assert_allclose(got.comparison.effect[1], 2 * got.comparison.effect[0])
    np.testing.assert_allclose(got.comparison.p_value[1], got.comparison.p_value[0])


def test_ratio_with_constant_denominators_is_the_mean():
    arms = strata_of_units(12)
    for arm in arms:
        for units in arm:
            units[:, 1] = 4.0
    ratio, mean = poststratified(*means_of(arms, (0, 1))), poststratified(*means_of(arms))
    np.testing.assert_allclose(ratio.comparison.effect, mean.comparison.effect / 4)
    np.testing.assert_allclose(ratio.comparison.se, mean.comparison.se / 4)
    np.testing.assert_allclose(ratio.cov_effect_control, mean.cov_effect_control / 16)


def test_ratio_and_what_the_lift_needs_over_samples():
    """Standard error and covariance with the raw control mean against their values over repeated samples."""
    rng = np.random.default_rng(13)
    runs, n = 2000, 200
    stratum = rng.random((runs, n)) < 0.4
    treated = rng.permuted(np.tile(np.arange(n) % 2 == 0, (runs, 1)), axis=1)
    den = 1.0 + rng.poisson(np.where(stratum, 6.0, 2.0))
    num = den * np.where(stratum, 0.8, 0.2) + rng.normal(size=den.shape)
    values = np.stack([num, den], axis=-1)
    moments = []
    for arm in (~treated, treated):
        cells = [[values[r][arm[r] & (stratum[r] == level)] for level in (True, False)] for r in range(runs)]
        flat = moments_of([c for pair in cells for c in pair])
        moments.append(Moments(flat.n.reshape(runs, 2), flat.mean.reshape(runs, 2, 2), flat.cov.reshape(runs, 2, 2, 2)))
    got = poststratified(*moments)
    np.testing.assert_allclose(np.sqrt((got.comparison.se**2).mean()), got.comparison.effect.std(), rtol=0.05)
    assert got.variance_reduction.mean() > 0.3
    simulated = np.cov(got.comparison.effect, got.mean_control)[0, 1]
    np.testing.assert_allclose(got.cov_effect_control.mean(), simulated, rtol=0.15)


def test_a_numerator_proportional_to_the_denominator_is_zero_variance():
    arms = strata_of_units(14)
    for arm in arms:
        for units in arm:
            units[:, 0] = 0.3 * units[:, 1]
    got = poststratified(*means_of(arms, (0, 1)))
    assert np.isnan(got.comparison.p_value)
    assert np.isnan(got.unadjusted.p_value)


def test_zero_denominator_is_nan_in_its_own_cell():
    arms = strata_of_units(15)
    c, t = means_of(arms, (0, 1))
    zero = Moments(t.n, t.mean * [1, 0], t.cov * [[1, 0], [0, 0]])
    both_c, both_t = (
        Moments(np.stack([a.n, b.n]), np.stack([a.mean, b.mean]), np.stack([a.cov, b.cov]))
        for a, b in ((c, c), (zero, t))
    )
    got = poststratified(both_c, both_t)
    np.testing.assert_array_equal(np.isnan(got.comparison.effect), [True, False])


@settings(max_examples=30, deadline=None)
@given(shift=st.floats(-1e3, 1e3), scale=st.floats(0.1, 10), seed=st.integers(0, 2**31))
def test_shift_and_scale(shift, scale, seed):
    arms = strata_of_units(seed)
    moved = [[u * scale + shift for u in arm] for arm in arms]
    a, b = poststratified(*means_of(arms)).comparison, poststratified(*means_of(moved)).comparison
    np.testing.assert_allclose(b.effect, scale * a.effect, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(b.se, scale * a.se, rtol=1e-6)


def test_swapping_the_arms_turns_the_sign():
    c, t = means_of(strata_of_units(16))
    there, back = poststratified(c, t).comparison, poststratified(t, c).comparison
    np.testing.assert_allclose(there.effect, -back.effect)
    np.testing.assert_allclose(there.p_value, back.p_value)
    np.testing.assert_allclose(there.ci_low, -back.ci_high)


def test_merged_cells_and_counted_zeros_give_the_pooled_answer():
    arms = strata_of_units(17)
    c, t = means_of(arms)
    halves = merge_groups(
        moments_of([part for units in arms[0] for part in np.array_split(units[:, :1], 2)]), np.repeat([0, 1, 2], 2)
    )
    zeros = with_zeros(halves, [5, 0, 3])
    padded = [np.vstack([u[:, :1], np.zeros((z, 1))]) for u, z in zip(arms[0], (5, 0, 3), strict=True)]
    wanted = poststratified(moments_of(padded), t).comparison
    np.testing.assert_allclose(poststratified(zeros, t).comparison.p_value, wanted.p_value)
    assert abs(wanted.effect - poststratified(c, t).comparison.effect) > 1e-6


def test_unadjusted_is_welch_on_all_units():
    arms = strata_of_units(18)
    got = poststratified(*means_of(arms)).unadjusted
    pooled = [np.concatenate(arm)[:, 0] for arm in arms]
    wanted = welch_t(*(v for p in pooled for v in (p.mean(), p.var(ddof=1), len(p))))
    np.testing.assert_allclose(got.p_value, wanted.p_value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"small_strata": "drop"}, "small_strata"),
        ({"reference": "z"}, "reference"),
        ({"cell": [0]}, "cell"),
        ({"cell": [0.0, 0.0, 0.0]}, "cell"),
        ({"alpha": 2.0}, "alpha"),
        ({"alternative": "both"}, "alternative"),
    ],
)
def test_wrong_arguments_are_refused_in_words(options, words):
    with pytest.raises(ValueError, match=words):
        poststratified(*means_of(strata_of_units(19)), **options)


def test_wrong_shapes_are_refused_in_words():
    c, t = means_of(strata_of_units(20))
    with pytest.raises(ValueError, match="same shape"):
        poststratified(c, t[:2])
    with pytest.raises(ValueError, match="last axis"):
        poststratified(c[0], t[0])
