"""q-values against R's qvalue."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from python_stats.families.multiplicity import adjust
from python_stats.families.storey import LAMBDAS, storey_q

FLAVOURS = {
    "smoother": {"pi0_method": "smoother"},
    "bootstrap": {"pi0_method": "bootstrap"},
    "lambda05": {"pi0_method": "fixed", "lambdas": 0.5},
}
CAUTIOUS = {"pi0_method": "cautious", "lambdas": 0.05}


def mixture(seed: int, nulls: int = 1500, others: int = 500) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.permutation(np.concatenate([rng.random(nulls), rng.beta(0.2, 6, others)]))


def test_storey_qvalue(oracle_case):
    case = oracle_case("storey_qvalue")
    p = case.table()["p"]
    index = np.array(case.inputs["index_1based"]) - 1
    case.check("m", p.size)
    case.check("p_at_index", p[index])
    for name, options in FLAVOURS.items():
        got = storey_q(p, **options)
        case.check(f"pi0_{name}", got.pi0[0])
        case.check(f"q_{name}", got.q_value[index])
    case.check("n_q_le_05", (storey_q(p).q_value <= 0.05).sum())
    case.check("n_BH_le_05", (adjust(p, 0, "benjamini_hochberg") <= 0.05).sum())


def p_values_with(at_lambda):
    """Return p-values whose shares above each lambda, over 1 - lambda, are the ones given."""
    grid, tests = np.array(LAMBDAS), 400_000
    above = np.round(np.asarray(at_lambda) * (1 - grid) * tests).astype(int)
    assert np.all(np.diff(above) <= 0)
    between = np.append((grid[:-1] + grid[1:]) / 2, 0.99)
    return np.repeat([0.01, *between], -np.diff([tests, *above, 0]))


def test_smoother_reproduces_a_straight_line_and_nothing_rougher():
    """A smoothing spline leaves lines alone; with three degrees of freedom it does not follow a zigzag."""
    grid = np.array(LAMBDAS)
    line = 0.95 - 0.2 * grid
    assert storey_q(p_values_with(line)).pi0[0] == pytest.approx(line[-1], abs=1e-4)
    zigzag = 0.8 + 0.01 * np.tile([1, -1], 10)[:19]
    assert storey_q(p_values_with(zigzag)).pi0[0] == pytest.approx(0.8, abs=0.2 * 0.01 + 1e-4)


def test_pi0_is_near_the_planted_share_of_nulls():
    for options in FLAVOURS.values():
        pi0 = [storey_q(mixture(seed), **options).pi0[0] for seed in range(12)]
        assert abs(np.mean(pi0) - 0.75) < 0.04


@pytest.mark.parametrize("options", [*FLAVOURS.values(), CAUTIOUS], ids=[*FLAVOURS, "cautious"])
def test_families_at_once_are_one_family_at_a_time(options):
    families = [mixture(seed, 300 + 40 * seed, 100) for seed in range(5)]
    p = np.concatenate(families)
    family = np.repeat([7, -2, 100, 3, 0], [len(f) for f in families])
    shuffled = np.random.default_rng(6).permutation(len(p))
    got = storey_q(p[shuffled], family[shuffled], **options)
    for f, values in zip([7, -2, 100, 3, 0], families, strict=True):
        alone = storey_q(values, **options)
        own = family[shuffled] == f
        np.testing.assert_allclose(got.pi0[own], alone.pi0[0])
        np.testing.assert_allclose(np.sort(got.q_value[own]), np.sort(alone.q_value))


def test_cautious_counts_one_more_and_rejects_nothing_above_lambda():
    p = mixture(7, 300, 900)
    got = storey_q(p, **CAUTIOUS)
    assert got.pi0[0] == pytest.approx(((p >= 0.05).sum() + 1) / (p.size * 0.95))
    plain = got.pi0[0] * adjust(p, 0, "benjamini_hochberg")
    # Most are not null: the plain product alone would reject p-values above alpha.
    assert ((plain <= 0.05) & (p > 0.05)).any()
    np.testing.assert_array_equal(got.q_value, np.maximum(plain, p))
    assert storey_q(np.full(50, 0.9), **CAUTIOUS).pi0[0] == 1


def test_trap_dependent_tests_are_too_many_for_the_smoother_and_not_for_a_cautious_pi0():
    rng = np.random.default_rng(11)
    z = np.sqrt(0.5) * rng.normal(size=(3000, 1)) + np.sqrt(0.5) * rng.normal(size=(3000, 100))
    null = np.arange(100) >= 20
    p, family = 2 * ndtr(-np.abs(z + 3 * ~null)), np.arange(3000)[:, None]

    def false_share(**options):
        rejected = storey_q(p, family, **options).q_value <= 0.05
        return np.mean((rejected & null).sum(axis=1) / np.maximum(rejected.sum(axis=1), 1))

    assert false_share() > 0.07
    # Three standard errors of Monte Carlo above.
    assert 0.03 < false_share(**CAUTIOUS) < 0.05 + 3 * 0.0025


def test_with_pi0_of_one_it_is_benjamini_hochberg():
    p = np.linspace(0.3, 1, 200)
    got = storey_q(p, pi0_method="fixed", lambdas=0.5)
    assert got.pi0[0] == 1
    np.testing.assert_array_equal(got.q_value, adjust(p, 0, "benjamini_hochberg"))


def test_q_values_are_at_most_benjamini_hochberg_and_monotone():
    p = mixture(8)
    got = storey_q(p).q_value
    assert np.all(got <= adjust(p, 0, "benjamini_hochberg"))
    assert np.all(np.diff(got[np.argsort(p)]) >= 0)


def test_nan_is_left_out():
    p = mixture(9)
    with_nan = np.concatenate([p, [np.nan, 2.0]]).reshape(2, -1)
    got = storey_q(with_nan)
    np.testing.assert_allclose(got.q_value.reshape(-1)[:-2], storey_q(p).q_value)
    assert np.all(np.isnan(got.q_value.reshape(-1)[-2:]))
    assert np.all(np.isnan(got.pi0.reshape(-1)[-2:]))


def test_a_family_without_null_looking_p_values_is_nan_not_zero():
    p = np.concatenate([np.full(50, 0.01), mixture(10)])
    family = np.repeat([0, 1], [50, len(p) - 50])
    for options in FLAVOURS.values():
        got = storey_q(p, family, **options)
        assert np.all(np.isnan(got.q_value[:50]))
        assert np.all(np.isfinite(got.q_value[50:]))


def test_no_p_values():
    assert storey_q([]).q_value.shape == (0,)
    assert np.isnan(storey_q([np.nan]).q_value[0])
    assert np.isnan(storey_q([np.nan, 2.0], **CAUTIOUS).q_value).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pi0_method": "mean"}, "pi0_method"),
        ({"pi0_method": "fixed"}, "single lambda"),
        ({"pi0_method": "cautious"}, "single lambda"),
        ({"lambdas": (0.1, 0.2, 0.3)}, "four"),
        ({"lambdas": (0.2, 0.1, 0.3, 0.4)}, "increase"),
        ({"pi0_method": "fixed", "lambdas": 1.0}, "lie in"),
        ({"family": 0.5}, "integers"),
    ],
)
def test_wrong_arguments_are_refused_in_words(options, words):
    with pytest.raises(ValueError, match=words):
        storey_q([0.1, 0.9], **options)
