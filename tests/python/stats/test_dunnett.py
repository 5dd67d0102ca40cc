"""Dunnett's test against its published one-sided table, adaptive quadrature and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr, stdtr

from python_stats.families.dunnett import dunnett, many_to_one
from python_stats.families.multiplicity import adjust
from python_stats.means.welch import pooled_t, welch_t

# Dunnett (1955): blood counts under a control and two drugs.
CONTROL = np.array([7.40, 8.50, 7.20, 8.24, 9.84, 8.32])
DRUG_A = np.array([9.76, 8.80, 7.68, 9.36])
DRUG_B = np.array([12.80, 9.68, 12.16, 9.20, 10.55])


def cell(*arms: np.ndarray) -> list:
    control, *treatments = [(a.mean(), a.var(ddof=1), len(a)) for a in arms]
    return [*control, *(list(column) for column in zip(*treatments, strict=True))]


def same_arms(k: int, df: float, alternative: str = "two_sided", alpha: float = 0.05):
    """Critical value for k treatments with as many units as the control."""
    return many_to_one(np.ones(k), np.ones(k), 0.5, df, alpha=alpha, alternative=alternative).critical_value


@pytest.mark.parametrize(
    ("df", "published"),
    [
        # Dunnett (1955), table 1a: one-sided alpha = 0.05, 2 to 9 treatments with as many units as the control. His
        # two-sided table is not here: its values for three or more treatments are approximate (Dunnett 1964).
        (5, [2.44, 2.68, 2.85, 2.98, 3.08, 3.16, 3.24, 3.30]),
        (10, [2.15, 2.34, 2.47, 2.56, 2.64, 2.70, 2.76, 2.81]),
        (20, [2.03, 2.19, 2.30, 2.39, 2.46, 2.51, 2.56, 2.60]),
        # On 60 degrees of freedom two entries are off in their last digit: printed 2.35 for six treatments and 2.39 for
        # seven, where nested adaptive quadrature (QUADPACK) gives these; for six, 4 million simulated maxima exceed the
        # value in 0.04995 of cases (standard error 0.00011).
        (60, [1.95, 2.10, 2.21, 2.28, 2.344778732, 2.395437491, 2.44, 2.48]),
        (np.inf, [1.92, 2.06, 2.16, 2.23, 2.29, 2.34, 2.38, 2.42]),
    ],
)
def test_published_one_sided_critical_values(df, published):
    for k, value in enumerate(published, start=2):
        np.testing.assert_allclose(same_arms(k, df, "greater"), value, atol=0.0051)
        np.testing.assert_allclose(same_arms(k, df, "less"), same_arms(k, df, "greater"))


@pytest.mark.parametrize(
    ("threshold", "loadings", "df", "two_sided", "one_sided"),
    [
        # Nested adaptive quadrature of the double integral (QUADPACK through scipy 1.17.1, tolerance 1e-11).
        (2.3, [0.5, 0.8, 0.9], np.inf, 0.0547769926616567, 0.027390502503770318),
        (2.3, [0.5, 0.8], 12.0, 0.07351406286442748, 0.03685855426548885),
        (3.7, [0.3, 0.7071, 0.6, 0.2], 4.0, 0.06238541546467236, 0.03364997716803468),
        (4.5, [0.7, 0.7], 300.0, 1.9381735924701488e-05, 9.690867962352194e-06),
    ],
)
def test_joint_tail_by_adaptive_quadrature(threshold, loadings, df, two_sided, one_sided):
    se = 1 / np.array(loadings)
    for alternative, wanted in (("two_sided", two_sided), ("greater", one_sided)):
        got = many_to_one(threshold * se, se, 1.0, df, alternative=alternative).comparison.p_value
        np.testing.assert_allclose(got, wanted, rtol=2e-8)


# R's multcomp::glht, as quoted in the tests of scipy 1.17.1; its integration is quasi-Monte Carlo, good for four digits
# of an interval and for the printed digits of a p-value. The second data set is Thomson and Short (1969), table 1.
GLHT = {
    "blood counts": (
        (CONTROL, DRUG_A, DRUG_B),
        [0.85703, 3.69375],
        {"two_sided": [0.6201020, 0.0058254], "greater": [0.3249776, 0.0029139], "less": [0.91676, 0.99984]},
        ([-1.2564116462124, 0.8396273539789], [2.5564116462124, 4.4163726460211]),
        [-0.9588591188156, 1.1187563667543],
    ),
    "mucociliary function": (
        tuple(np.array(a) for a in ([2.9, 3.0, 2.5, 2.6, 3.2], [3.8, 2.7, 4.0, 2.4], [2.8, 3.4, 3.7, 2.2, 2.0])),
        [0.90875, -0.05007],
        {"two_sided": [0.58317, 0.99819], "greater": [0.30225, 0.69115], "less": [0.91929, 0.65212]},
        ([-0.6898153448579, -1.0333456251632], [1.4598153448579, 0.9933456251632]),
        [-0.5186459268412, -0.8719655502147],
    ),
}


@pytest.mark.parametrize("name", GLHT)
def test_multcomp(name):
    arms, statistic, p_values, (low, high), one_sided_low = GLHT[name]
    for alternative, p in p_values.items():
        got = dunnett(*cell(*arms), alternative=alternative).comparison
        np.testing.assert_allclose(got.statistic, statistic, atol=5.1e-6)
        np.testing.assert_allclose(got.p_value, p, atol=1e-5)
    two_sided = dunnett(*cell(*arms)).comparison
    np.testing.assert_allclose(two_sided.ci_low, low, atol=2e-4)
    np.testing.assert_allclose(two_sided.ci_high, high, atol=2e-4)
    greater = dunnett(*cell(*arms), alternative="greater").comparison
    np.testing.assert_allclose(greater.ci_low, one_sided_low, atol=2e-4)
    np.testing.assert_array_equal(greater.ci_high, np.inf)


def test_one_treatment_is_the_t_test():
    moments = cell(CONTROL, DRUG_B)
    two = (*moments[:3], *(m[0] for m in moments[3:]))
    for ours, theirs in (
        (dunnett(*moments), pooled_t(*two)),
        (dunnett(*moments, equal_variances=False), welch_t(*two)),
    ):
        for a, b in zip(ours.comparison, theirs, strict=True):
            np.testing.assert_allclose(a[0], b, rtol=1e-9)


def test_effects_that_share_nothing_are_sidaks():
    z = np.array([0.3, 1.0, 2.5, 4.0])
    got = many_to_one(z, np.ones(4), 0.0).comparison.p_value
    np.testing.assert_allclose(got, adjust(2 * ndtr(-z), 0, "sidak"), rtol=1e-8)


def test_p_and_interval_agree_at_every_alpha():
    moments = cell(CONTROL, DRUG_A, DRUG_B)
    for alternative in ("two_sided", "greater"):
        for equal in (True, False):
            p = dunnett(*moments, equal_variances=equal, alternative=alternative).comparison.p_value
            for i in (0, 1):
                limits = dunnett(*moments, equal_variances=equal, alternative=alternative, alpha=p[i]).comparison
                np.testing.assert_allclose(limits.ci_low[i], 0, atol=1e-7)


def test_between_one_test_and_bonferroni():
    rng = np.random.default_rng(1)
    t, se, df = rng.normal(size=(50, 4)) * 2, rng.uniform(1, 3, (50, 4)), rng.integers(3, 500, (50, 1))
    p = many_to_one(t * se, se, rng.uniform(0, 1, 50), df).comparison.p_value
    alone = 2 * stdtr(df, -np.abs(t))
    assert np.all(p >= alone)
    assert np.all(p <= np.minimum(4 * alone, 1) * (1 + 1e-9))


def test_small_p_values_do_not_underflow():
    p = many_to_one([7.0, 9.0, 20.0], [1.0, 1.0, 1.0], 0.5).comparison.p_value
    alone = 2 * ndtr(-np.array([7.0, 9.0, 20.0]))
    assert np.all((p > 2 * alone) & (p <= 3 * alone * (1 + 1e-9)))


def test_all_cells_at_once_are_one_cell_at_a_time_with_padding():
    rng = np.random.default_rng(2)
    sizes = [(30, 20, 25, 40), (12, 9), (200, 1, 180), (6, 7, 8)]
    arms = [[rng.normal(0.4 * i, 1 + i, n) for i, n in enumerate(size)] for size in sizes]
    padded = np.full((3, 4, 3), np.nan)
    control = np.empty((3, 4))
    for i, cell_arms in enumerate(arms):
        m = [(a.mean(), a.var(ddof=1) if len(a) > 1 else np.nan, len(a)) for a in cell_arms]
        control[:, i] = m[0]
        padded[:, i, : len(m) - 1] = np.array(m[1:]).T
    side = np.array(["two_sided", "less", "greater", "two_sided"])
    for equal in (True, False):
        got = dunnett(*control, *padded, equal_variances=equal, alternative=side, alpha=[0.05, 0.1, 0.05, 0.2])
        assert got.comparison.effect.shape == (4, 3)
        for i, cell_arms in enumerate(arms):
            usable = [a for a in cell_arms if len(a) > 1]
            alone = dunnett(*cell(*usable), equal_variances=equal, alternative=side[i], alpha=[0.05, 0.1, 0.05, 0.2][i])
            where = [j for j, a in enumerate(cell_arms[1:]) if len(a) > 1]
            for field in ("effect", "p_value", "ci_low", "ci_high"):
                np.testing.assert_allclose(
                    getattr(got.comparison, field)[i, where], getattr(alone.comparison, field), rtol=1e-6
                )
            others = [j for j in range(3) if j not in where]
            assert np.all(np.isnan(got.comparison.p_value[i, others]))
            assert np.all(np.isnan(got.comparison.ci_low[i, others]))


def test_unusable_cells_are_nan():
    got = dunnett([1.0, 1.0], [0.0, 1.0], [10, 1], [[1.0, 2.0]] * 2, [[0.0, 0.0], [1.0, 1.0]], [[10, 10]] * 2)
    assert np.all(np.isnan(got.comparison.p_value))
    assert np.all(np.isnan(got.critical_value))


def test_shift_scale_and_swap():
    a, b = (dunnett(*cell(*arms)).comparison for arms in ((CONTROL, DRUG_A, DRUG_B), (CONTROL, DRUG_B, DRUG_A)))
    np.testing.assert_allclose(a.p_value, b.p_value[::-1], rtol=1e-7)
    moved = dunnett(*cell(*(3 * x - 50 for x in (CONTROL, DRUG_A, DRUG_B)))).comparison
    np.testing.assert_allclose(moved.p_value, a.p_value, rtol=1e-7)
    np.testing.assert_allclose(moved.ci_low, 3 * a.ci_low, rtol=1e-6)
    less = dunnett(*cell(-CONTROL, -DRUG_A, -DRUG_B), alternative="less").comparison.p_value
    np.testing.assert_allclose(dunnett(*cell(CONTROL, DRUG_A, DRUG_B), alternative="greater").comparison.p_value, less)


@pytest.mark.parametrize(("equal", "runs"), [(True, 600), (False, 250)])
def test_familywise_error_in_lopsided_arms(equal, runs):
    """Three treatments without effect, a tenth of the units in control."""
    rng = np.random.default_rng(3)
    n = np.array([12, 40, 40, 30])
    x = [rng.normal(size=(runs, size)) for size in n]
    means, variances = np.array([a.mean(axis=1) for a in x]), np.array([a.var(axis=1, ddof=1) for a in x])
    p = dunnett(means[0], variances[0], n[0], means[1:].T, variances[1:].T, n[1:], equal_variances=equal)
    rejected = (p.comparison.p_value.min(axis=1) < 0.05).mean()
    assert abs(rejected - 0.05) < 3 * np.sqrt(0.05 * 0.95 / runs)


@pytest.mark.parametrize(("options", "words"), [({"alpha": 0.0}, "alpha"), ({"alternative": "both"}, "alternative")])
def test_wrong_arguments_are_refused_in_words(options, words):
    with pytest.raises(ValueError, match=words):
        dunnett(*cell(CONTROL, DRUG_A, DRUG_B), **options)


def test_a_control_variance_above_the_effects_is_no_part_of_it():
    effect, se = np.array([[2.0, 3.0, 1.0]]), np.array([[1.0, 0.5, 1.0]])
    got = many_to_one(effect, se, 0.5)
    assert np.isnan(got.comparison.p_value[0, 1])
    assert np.isnan(got.comparison.ci_low[0, 1]) and np.isnan(got.comparison.ci_high[0, 1])
    # The others are corrected for each other only.
    alone = many_to_one(effect[:, [0, 2]], se[:, [0, 2]], 0.5)
    np.testing.assert_array_equal(got.comparison.p_value[:, [0, 2]], alone.comparison.p_value)
    # All of the variance is the control's, up to rounding: one test.
    same = many_to_one([2.0, 2.0], [0.3, 0.3], 0.3**2 * (1 + 1e-12))
    assert np.all(np.isfinite(same.comparison.p_value))


def test_few_degrees_of_freedom_take_neither_time_nor_memory():
    """Degrees of freedom of 1e-9 asked for 10**11 nodes."""
    got = many_to_one([[2.0, 3.0]] * 3, [[1.0, 1.0]] * 3, 0.5, [[1e-9], [1e-300], [0.2]])
    p = got.comparison.p_value
    assert np.all((p > 0.5) & (p <= 1.0))
