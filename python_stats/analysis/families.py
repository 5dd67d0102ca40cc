"""Correction of the headline p-values for the number of tests in their family."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from python_stats.families.dunnett import many_to_one
from python_stats.families.multiplicity import adjust
from python_stats.families.storey import storey_q

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

CORRECTIONS = {"bh": "benjamini_hochberg", "by": "benjamini_yekutieli"}

# In a smaller family the share of true nulls is a rough guess, and what it gains over taking all to be true is little.
STOREY_NEEDS = 100


def correct_families(estimates: pd.DataFrame) -> pd.DataFrame:
    """Adjust the headline p-values for the number of tests in their family.

    The family of a primary metric is its treatment arms; of every other role, all metrics and arms of the role in the
    experiment. Dunnett's family is the arms of one metric in every role, because only they share a control. Rows
    without a p-value count in no family.

    A p-value that is valid at every look (``sequential_p_value``, where the plan is sequential and the estimate was
    monitored) takes the place of the fixed-horizon one.

    Parameters
    ----------
    estimates : DataFrame
        Estimates with ``is_headline``, ``p_value``, ``sequential_p_value``, ``role``, ``alpha`` and ``correction`` (a
        method of `multiplicity.METHODS`, ``bh``, ``by``, ``storey`` or ``dunnett``); for Dunnett also ``effect``,
        ``effect_se``, ``df``, ``alternative``, ``control_variance`` and ``reference_skewness``.

    Returns
    -------
    DataFrame
        The same rows with ``p_value_adjusted``, ``correction`` (what was done), ``correction_family`` (in words) and
        ``is_significant``; missing off the headline. Storey's q-values take the share of true nulls from the p-values
        above alpha, which holds for metrics that depend on each other too, and need 100 tests in the family; a smaller
        one is Benjamini-Hochberg's, which takes all nulls to be true. Dunnett's test needs the variance that the arms
        share and fixed-horizon p-values of t tests; elsewhere it is Bonferroni's.
    """
    # An empty column has no type to be trusted.
    table = estimates.copy() if len(estimates) else estimates.astype(object)
    counted = table["is_headline"].to_numpy(dtype=bool)
    # Only headlines have a family, and naming families costs more than correcting them.
    headlines = table[counted]
    sequential = headlines["sequential_p_value"].to_numpy(dtype=np.float64)
    p = np.where(np.isfinite(sequential), sequential, headlines["p_value"].to_numpy(dtype=np.float64))
    wanted = headlines["correction"].replace(CORRECTIONS)
    family = _family(headlines, (wanted == "dunnett").to_numpy())
    (name, _), (day, days) = pd.factorize(family), pd.factorize(headlines["look_date"], use_na_sentinel=False)
    codes = name * len(days) + day
    adjusted, method = _adjusted(headlines, p, codes, wanted.to_numpy(dtype=object), np.isfinite(sequential))
    significant = pd.array(adjusted <= headlines["alpha"].to_numpy(dtype=np.float64), dtype="boolean")
    significant[np.isnan(adjusted)] = pd.NA
    values = {"p_value_adjusted": adjusted, "correction": method, "correction_family": family}
    corrected = pd.DataFrame(values | {"is_significant": significant}, index=headlines.index)
    return table.drop(columns="correction").join(corrected)


def _family(table: pd.DataFrame, by_arms: NDArray[np.bool_]) -> pd.Series:
    """Name each row's family in words."""
    scope = table["exp_id"] + ", " + table["population"]
    segment = ", " + table["dimension"] + "=" + table["segment"]
    scope = scope + segment.where(table["dimension"] != "all", "")
    single = by_arms | (table["role"] == "primary").to_numpy()
    metric = np.where(single, table["role"] + " " + table["metric_id"], table["role"] + " metrics")
    return scope + ", " + metric + ", all arms"


def _adjusted(
    table: pd.DataFrame, p: FloatArray, codes: IntArray, wanted: NDArray[np.object_], sequential: NDArray[np.bool_]
) -> tuple[FloatArray, NDArray[np.object_]]:
    """Return the adjusted p-values, and the method that was used for each."""
    if not len(table):
        return np.empty(0), wanted
    method = wanted.copy()
    tests = np.bincount(codes, np.isfinite(p))[codes]
    method[(wanted == "storey") & (tests < STOREY_NEEDS)] = "benjamini_hochberg"
    many_arms = wanted == "dunnett"
    shared = table["control_variance"].to_numpy(dtype=np.float64)
    # Dunnett's distribution is that of the arms' own t statistics, not of transformed ones.
    transformed = table["reference_skewness"].fillna(0.0).to_numpy(dtype=np.float64) != 0.0
    unknown = np.isfinite(p) & (sequential | transformed | ~np.isfinite(shared))
    method[many_arms & (np.bincount(codes, unknown)[codes] > 0)] = "bonferroni"

    by_name = np.isin(method, ["storey", "dunnett"])
    adjusted = adjust(np.where(by_name, np.nan, p), codes, np.where(by_name, "none", method).astype(str))
    storey = method == "storey"
    alpha = table["alpha"].to_numpy(dtype=np.float64)
    for level in np.unique(alpha[storey]):
        # An experiment has one alpha, so this never splits a family.
        rows = np.flatnonzero(storey & (alpha == level))
        adjusted[rows] = storey_q(p[rows], codes[rows], pi0_method="cautious", lambdas=float(level)).q_value
    dunnett = np.flatnonzero((method == "dunnett") & np.isfinite(p))
    if dunnett.size:
        adjusted[dunnett] = _dunnett(table.iloc[dunnett], codes[dunnett])
    return adjusted, method


def _dunnett(table: pd.DataFrame, codes: IntArray) -> FloatArray:
    """Adjust the arms of each metric for their number, knowing the control that they share."""
    order = np.argsort(codes, kind="stable")
    _, first, which = np.unique(codes[order], return_index=True, return_inverse=True)
    place = np.arange(order.size) - first[which]
    columns = [table[name].to_numpy(dtype=np.float64)[order] for name in ("effect", "effect_se", "df")]
    effect, se, df = (np.full((first.size, place.max() + 1), np.nan) for _ in columns)
    for laid, column in zip((effect, se, df), columns, strict=True):
        laid[which, place] = column
    result = many_to_one(
        effect,
        se,
        table["control_variance"].to_numpy(dtype=np.float64)[order][first],
        np.where(np.isfinite(df), df, np.inf),
        alternative=table["alternative"].to_numpy(dtype=str)[order][first],
    )
    adjusted = np.empty(order.size)
    adjusted[order] = result.comparison.p_value[which, place]
    return adjusted
