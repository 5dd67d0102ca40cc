"""Adjusted p-values against R's p.adjust and against their definitions, family by family."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from python_stats.families.multiplicity import METHOD_ALIASES, METHODS, adjust

# p.adjust's names for ours.
IN_R = {
    "bonferroni": "bonferroni",
    "holm": "holm",
    "hochberg": "hochberg",
    "hommel": "hommel",
    "BH": "benjamini_hochberg",
    "BY": "benjamini_yekutieli",
}


def by_definition(p: np.ndarray, method: str) -> np.ndarray:
    """Adjusted p-values of one family, straight from the definition of each procedure."""
    m = len(p)
    order = np.argsort(p, kind="stable")
    s = p[order]
    rank = np.arange(1, m + 1)
    left = m - rank + 1
    if method == "none":
        out = s
    elif method == "bonferroni":
        out = m * s
    elif method == "sidak":
        out = 1 - (1 - s) ** m
    elif method == "holm":
        out = np.array([max(left[: i + 1] * s[: i + 1]) for i in range(m)])
    elif method == "holm_sidak":
        out = np.array([max(1 - (1 - s[: i + 1]) ** left[: i + 1]) for i in range(m)])
    elif method == "hochberg":
        out = np.array([min(left[i:] * s[i:]) for i in range(m)])
    elif method == "benjamini_hochberg":
        out = np.array([min(m * s[i:] / rank[i:]) for i in range(m)])
    elif method == "benjamini_yekutieli":
        out = np.array([min(m * s[i:] / rank[i:]) for i in range(m)]) * (1 / rank).sum()
    else:
        # Hommel is the closed test of Simes: the worst p-value over every subset that holds the test.
        out = np.zeros(m)
        for size in range(1, m + 1):
            for subset in itertools.combinations(range(m), size):
                simes = min(size * s[i] / (j + 1) for j, i in enumerate(subset))
                out[list(subset)] = np.maximum(out[list(subset)], simes)
    result = np.empty(m)
    result[order] = np.minimum(out, 1.0)
    return result


def test_multtest_bh1995(oracle_case):
    case = oracle_case("multtest_bh1995")
    p = np.sort(case.table()["p"])
    for key, method in IN_R.items():
        got = adjust(p, 0, method)
        case.check(key, got)
        case.check("n_reject_05", (got <= 0.05).sum(), case.expected["n_reject_05"][key])
    case.check("sidak_single_step", adjust(p, 0, "sidak"))
    # statsmodels 0.15.0 multipletests(method="holm-sidak") on the same values, first four.
    np.testing.assert_allclose(
        adjust(p, 0, "holm_sidak")[:4],
        [0.00149895045486353, 0.0055854632703948885, 0.024420372387835315, 0.10822815130378598],
        rtol=1e-12,
    )


@settings(max_examples=60, deadline=None)
@given(
    p=st.lists(st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.01, 0.05, 1.0])), min_size=1, max_size=8),
    method=st.sampled_from(METHODS),
)
def test_every_method_is_its_definition(p, method):
    p = np.array(p)
    np.testing.assert_allclose(adjust(p, 0, method), by_definition(p, method), rtol=1e-9, atol=1e-15)


@settings(max_examples=40, deadline=None)
@given(
    data=st.lists(st.tuples(st.floats(0, 1), st.integers(-3, 3)), min_size=1, max_size=60), seed=st.integers(0, 2**31)
)
def test_families_at_once_are_one_family_at_a_time(data, seed):
    rng = np.random.default_rng(seed)
    p, family = (np.array(column) for column in zip(*data, strict=True))
    method_of = rng.choice(METHODS, size=7)
    method = method_of[family + 3]
    got = adjust(p, family, method)
    for f in np.unique(family):
        np.testing.assert_array_equal(got[family == f], adjust(p[family == f], 0, method_of[f + 3]))
    shuffled = rng.permutation(len(p))
    np.testing.assert_array_equal(adjust(p[shuffled], family[shuffled], method[shuffled]), got[shuffled])


@pytest.mark.parametrize("method", METHODS)
def test_trap_adjusted_p_above_one_and_not_monotone(method):
    rng = np.random.default_rng(1)
    p, family = rng.random(500) ** 2, rng.integers(0, 20, 500)
    got = adjust(p, family, method)
    assert np.all((got >= p) & (got <= 1))
    for f in range(20):
        own = family == f
        assert np.all(np.diff(got[own][np.argsort(p[own])]) >= 0)


@pytest.mark.parametrize("method", METHODS)
def test_nan_is_left_out_of_the_family_size(method):
    p = np.array([0.01, np.nan, 0.03, 0.2, -0.1, 1.5])
    got = adjust(p, 0, method)
    np.testing.assert_array_equal(np.isnan(got), [False, True, False, False, True, True])
    np.testing.assert_array_equal(got[[0, 2, 3]], adjust(p[[0, 2, 3]], 0, method))


@pytest.mark.parametrize("method", METHODS)
def test_a_family_of_one_is_not_corrected(method):
    np.testing.assert_allclose(adjust([0.03, 0.9], [1, 2], method), [0.03, 0.9])


@pytest.mark.parametrize("method", METHODS)
def test_tiny_p_values_keep_their_digits_in_late_families(method):
    """Offsets that keep families apart in a global running maximum would cost them."""
    p = np.tile([1e-300, 1e-200, 0.5], 1000)
    family = np.repeat(np.arange(1000) + 10**15, 3)
    got = adjust(p, family, method).reshape(1000, 3)
    np.testing.assert_array_equal(got, np.tile(got[0], (1000, 1)))
    assert 1e-300 <= got[-1, 0] <= 6e-300


@pytest.mark.parametrize("method", METHODS)
def test_ties_get_the_same_adjusted_p(method):
    got = adjust([0.02, 0.5, 0.02, 0.02], 0, method)
    assert got[0] == got[2] == got[3]


def test_zero_one_and_no_p_values():
    for method in METHODS:
        np.testing.assert_array_equal(adjust([0.0, 1.0], 0, method), [0.0, 1.0])
        assert adjust([], 0, method).shape == (0,)
        assert np.isnan(adjust([np.nan], 0, method)[0])


def test_any_shape_keeps_its_shape():
    p = np.random.default_rng(2).random((3, 4))
    got = adjust(p, np.arange(3)[:, None], "holm")
    assert got.shape == (3, 4)
    np.testing.assert_allclose(got[1], by_definition(p[1], "holm"))
    assert adjust(0.03).shape == ()


def test_families_as_narrow_integers_do_not_overflow():
    p = np.array([0.01, 0.02, 0.03, 0.04])
    family = np.array([-128, 127, -128, 127], dtype=np.int8)
    np.testing.assert_allclose(adjust(p, family, "bonferroni"), [0.02, 0.04, 0.06, 0.08])
    np.testing.assert_allclose(adjust(p, np.array([-(2**62), 2**62] * 2), "bonferroni"), [0.02, 0.04, 0.06, 0.08])


def test_order_of_the_procedures():
    p = np.random.default_rng(3).random(30) ** 3
    got = {method: adjust(p, 0, method) for method in METHODS}
    for weaker, stronger in (
        ("bonferroni", "holm"),
        ("holm", "hochberg"),
        ("hochberg", "hommel"),
        ("hommel", "benjamini_hochberg"),
        ("holm", "holm_sidak"),
        ("benjamini_yekutieli", "benjamini_hochberg"),
    ):
        assert np.all(got[weaker] >= got[stronger] - 1e-15)


def test_a_million_p_values_in_fifty_thousand_families():
    rng = np.random.default_rng(4)
    p, family = rng.random(1_000_000), rng.integers(0, 50_000, 1_000_000)
    started = time.perf_counter()
    got = adjust(p, family, "benjamini_hochberg")
    # Measured at a quarter of a second; the bound only catches a loop over families.
    assert time.perf_counter() - started < 3
    own = family == 49_999
    np.testing.assert_allclose(got[own], by_definition(p[own], "benjamini_hochberg"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([0.1], 0, "fdr"), "method must be one of"),
        (([0.1, 0.2], 0, ["holm", "hochberg"]), "same for all p-values of a family"),
        (([0.1], 0.5, "holm"), "integers"),
    ],
)
def test_wrong_arguments_are_refused_in_words(arguments, words):
    with pytest.raises(ValueError, match=words):
        adjust(*arguments)


@pytest.mark.parametrize(("alias", "method"), METHOD_ALIASES.items())
def test_plans_may_call_a_method_by_its_short_name(alias, method):
    p = np.array([0.01, 0.02, 0.04, 0.5])
    np.testing.assert_array_equal(adjust(p, 0, alias), adjust(p, 0, method))
    # One family may not mix methods, but an alias is the same method.
    np.testing.assert_array_equal(adjust(p, 0, [alias, method, alias, method]), adjust(p, 0, method))
    with pytest.raises(ValueError, match="bh, by"):
        adjust(p, 0, "fdr")
