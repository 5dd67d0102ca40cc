"""Correction of the headline p-values for several arms and metrics, family by family."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from python_stats.analysis.judgement.headline import Headlines
from python_stats.analysis.settings import DEFAULTS, Settings
from python_stats.analysis.table.comparisons import BoolArray, Comparisons, FloatArray, IntArray
from python_stats.families.dunnett import many_to_one
from python_stats.families.multiplicity import METHOD_ALIASES, adjust
from python_stats.families.storey import storey_q

# In a smaller family the share of true nulls is a rough guess, and what it gains over taking all to be true is little.
STOREY_NEEDS = 100

_SCOPE = ("exp_id", "population", "dimension", "segment", "role")


def correct_families(headlines: Headlines, settings: Settings = DEFAULTS) -> Headlines:
    """Adjust the headline p-values for the number of tests in their family.

    The family of a primary metric is its treatment arms; of every other role, all metrics and arms of the role in the
    experiment. Dunnett's family is the arms of one metric in every role, because only they share a control. Rows
    without a p-value count in no family.

    A p-value that is valid at every look (``sequential_p_value``, where the plan is sequential and the estimate was
    monitored) takes the place of the fixed-horizon one.

    Parameters
    ----------
    headlines : Headlines
        With ``p_value`` and ``sequential_p_value``; for Dunnett also ``effect``, ``effect_se``, ``df``,
        ``control_variance`` and ``reference_skewness``. Their comparisons have ``role``, ``alpha``, ``alternative`` and
        ``correction`` (a method of `python_stats.families.multiplicity.METHODS`, ``bh``, ``by``, ``storey`` or
        ``dunnett``; missing where the experiment does not say).
    settings : Settings
        ``correction`` of each role, for experiments that do not say.

    Returns
    -------
    Headlines
        The same with ``p_value_adjusted``, ``correction`` (what was done), ``correction_family`` (in words) and
        ``is_significant`` (1, 0, or NaN without a p-value). Storey's q-values take the share of true nulls from the
        p-values above alpha, which holds for metrics that depend on each other too, and need 100 tests in the family;
        a smaller one is Benjamini-Hochberg's, which takes all nulls to be true. Dunnett's test needs the variance that
        the arms share and fixed-horizon p-values of t tests; elsewhere it is Bonferroni's.
    """
    table, alpha = headlines.table, headlines.table.number("alpha")
    sequential = headlines["sequential_p_value"]
    p = np.where(np.isfinite(sequential), sequential, headlines["p_value"])
    wanted, methods = _wanted(table, settings)
    codes, family = _families(table, wanted == _place(methods, "dunnett"))
    used = _used(headlines, p, codes, wanted, methods, np.isfinite(sequential))
    adjusted = np.full(p.size, np.nan)
    for method in np.unique(used):
        rows = np.flatnonzero(used == method)
        adjusted[rows] = _adjusted(headlines, rows, p[rows], codes[rows], methods[method])
    significant = np.where(np.isnan(adjusted), np.nan, adjusted <= alpha)
    return headlines.having(
        p_value_adjusted=adjusted, correction=methods[used], correction_family=family, is_significant=significant
    )


def _wanted(table: Comparisons, settings: Settings) -> tuple[IntArray, NDArray[np.object_]]:
    """Return the correction that each comparison asks for, as a place in a list of methods, and the list."""
    own, named = table.words("correction")
    role, roles = table.words("role")
    by_name = [METHOD_ALIASES.get(name, name) for name in named]
    by_role = [settings.correction.get(name, "none") for name in roles]
    by_role = [METHOD_ALIASES.get(name, name) for name in by_role]
    # What a family that is too small, or shares too little, gets instead is in the list too.
    fallback = ("benjamini_hochberg", "bonferroni")
    methods = np.array(list(dict.fromkeys([*by_name, *by_role, "none", *fallback])), dtype=object)
    # The last place is that of a missing role.
    of_role = np.array([_place(methods, name) for name in [*by_role, "none"]])[role]
    of_name = np.array([_place(methods, name) for name in [*by_name, "none"]])[own]
    return np.where(own >= 0, of_name, of_role), methods


def _place(methods: NDArray[np.object_], name: str) -> int:
    """Return the place of a method in the list, -1 where nobody asks for it."""
    found = np.flatnonzero(methods == name)
    return int(found[0]) if found.size else -1


def _families(table: Comparisons, by_arms: BoolArray) -> tuple[IntArray, NDArray[np.object_]]:
    """Return a number for each row's family, one per look, and its name in words."""
    single = by_arms | table.is_word("role", "primary")
    scope, metric = table.group([*_SCOPE, "look_date"]), table.group(["metric_id"])
    width = metric.max(initial=0) + 2
    _, first, family = np.unique(
        scope * width + np.where(single, metric + 1, 0), return_index=True, return_inverse=True
    )
    words = pd.DataFrame({name: table.take(first).values(name) for name in (*_SCOPE, "metric_id")}).astype(object)
    names = words["exp_id"] + ", " + words["population"]
    segment = ", " + words["dimension"] + "=" + words["segment"]
    names = names + segment.where(words["dimension"] != "all", "")
    tests = np.where(single[first], words["role"] + " " + words["metric_id"], words["role"] + " metrics")
    return family, (names + ", " + tests + ", all arms").to_numpy(dtype=object)[family]


def _used(
    headlines: Headlines, p: FloatArray, codes: IntArray, wanted: IntArray, methods: NDArray[np.object_],
    sequential: BoolArray,
) -> IntArray:  # fmt: skip
    """Return the method that each family really gets."""
    used = wanted.copy()
    tests = np.bincount(codes, np.isfinite(p))[codes] if len(p) else np.zeros(0)
    used[(wanted == _place(methods, "storey")) & (tests < STOREY_NEEDS)] = _place(methods, "benjamini_hochberg")
    many_arms = wanted == _place(methods, "dunnett")
    if many_arms.any():
        # Dunnett's distribution is that of the arms' own t statistics, not of transformed ones.
        transformed = np.nan_to_num(headlines["reference_skewness"]) != 0.0
        unknown = np.isfinite(p) & (sequential | transformed | ~np.isfinite(headlines["control_variance"]))
        used[many_arms & (np.bincount(codes, unknown)[codes] > 0)] = _place(methods, "bonferroni")
    return used


def _adjusted(headlines: Headlines, rows: IntArray, p: FloatArray, codes: IntArray, method: str) -> FloatArray:
    """Adjust the p-values of the families that one method corrects."""
    if method == "dunnett":
        adjusted = np.full(p.size, np.nan)
        known = np.flatnonzero(np.isfinite(p))
        if known.size:
            adjusted[known] = _dunnett(headlines, rows[known], codes[known])
        return adjusted
    if method != "storey":
        return adjust(p, codes, method)
    adjusted, alpha = np.full(p.size, np.nan), headlines.table.number("alpha")[rows]
    for level in np.unique(alpha):
        # An experiment has one alpha, so this never splits a family.
        own = np.flatnonzero(alpha == level)
        adjusted[own] = storey_q(p[own], codes[own], pi0_method="cautious", lambdas=float(level)).q_value
    return adjusted


def _dunnett(headlines: Headlines, rows: IntArray, codes: IntArray) -> FloatArray:
    """Adjust the arms of each metric for their number, knowing the control that they share."""
    order = np.argsort(codes, kind="stable")
    _, first, which = np.unique(codes[order], return_index=True, return_inverse=True)
    place = np.arange(order.size) - first[which]
    columns = [headlines[name][rows][order] for name in ("effect", "effect_se", "df")]
    effect, se, df = (np.full((first.size, place.max() + 1), np.nan) for _ in columns)
    for laid, column in zip((effect, se, df), columns, strict=True):
        laid[which, place] = column
    result = many_to_one(
        effect,
        se,
        headlines["control_variance"][rows][order][first],
        np.where(np.isfinite(df), df, np.inf),
        alternative=headlines.table.take(rows).plan["alternative"][order][first],
    )
    adjusted = np.empty(order.size)
    adjusted[order] = result.comparison.p_value[which, place]
    return adjusted
