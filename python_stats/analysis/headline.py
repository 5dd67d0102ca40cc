"""Which of a comparison's estimates is the one that decides."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from python_stats.analysis.estimate_rows import KEYS

# CUPED falls back to the raw comparison where there is no usable pre-period, or where it has a status: the estimate is
# the same in expectation, and the row names what was used. A corrected estimate exists only where it is needed.
ADJUSTED = (
    "cluster_cuped_corrected", "cluster_cuped", "ratio_cuped_corrected", "ratio_cuped", "cuped_corrected", "cuped",
)  # fmt: skip
UNADJUSTED = (
    "cluster_corrected", "cluster", "ratio_corrected", "ratio", "difference_corrected", "difference", "quantile",
)  # fmt: skip

# Why the tests by moments refuse a comparison that another estimator may be able to make.
REFUSALS = ("too_skewed", "too_few_events")

# Without a wish in the plan, the first of these that a comparison has: the methods that exist because the others do not
# hold (quantiles, rates with few events), then the pre-period, then the raw comparison.
PREFERRED = ("quantile", "exact", *ADJUSTED, *UNADJUSTED)

# What a plan's words mean, where they are not an estimator's own name.
PLANNED = {
    "cuped": ADJUSTED + UNADJUSTED,
    **dict.fromkeys(("difference", "ratio", "cluster", "unadjusted"), UNADJUSTED),
}


def mark_headline(estimates: pd.DataFrame, comparisons: pd.DataFrame) -> pd.DataFrame:
    """Mark exactly one row of each comparison as its headline.

    The plan's ``estimator`` decides. Where it asks for a method that does not exist for the comparison, the headline
    is a row of that method without numbers, status ``estimator_unavailable``: a planned test is never silently
    replaced.

    Parameters
    ----------
    estimates : DataFrame
        Rows of `python_stats.analysis.estimate_rows.estimate_rows`, several per comparison.
    comparisons : DataFrame
        The comparisons, with the plan's ``estimator`` (missing where the plan does not say).

    Returns
    -------
    DataFrame
        The estimates with the column ``is_headline``, and one more row per unavailable planned estimator.
    """
    wish = comparisons[KEYS].assign(wish=comparisons["estimator"].astype(object)).reset_index(drop=True)
    table = estimates.merge(wish, on=KEYS, how="left")
    order = _order(table["estimator"], table["wish"])
    # Among what is wanted, a number before a reason why there is none.
    order[~table["status"].eq("ok").to_numpy()] += len(PREFERRED)
    # A comparison that cannot be made at all keeps its reason, whatever was wished for.
    possible = table["status"].isin(["ok", *REFUSALS]).to_numpy()
    impossible = table["is_unadjusted"].fillna(False).to_numpy(dtype=bool) & ~possible
    order[impossible & np.isnan(order)] = 2 * len(PREFERRED)
    table["order"] = order
    groups = table.groupby(KEYS, sort=False, dropna=False)["order"]
    table["is_headline"] = (table["order"] == groups.transform("min")) & table["order"].notna()
    found = groups.transform("min").notna()
    missing = table[~found & table["is_unadjusted"].fillna(False).astype(bool)]
    counts = ["n_control", "n_treatment", "clusters_control", "clusters_treatment", "mean_control", "mean_treatment"]
    unavailable = missing[[*KEYS, "metric_type", *counts]].assign(
        estimator=missing["wish"], is_headline=True, is_unadjusted=False, status="estimator_unavailable"
    )
    return pd.concat([table.drop(columns=["wish", "order"]), unavailable], ignore_index=True)


def _order(estimator: pd.Series, wish: pd.Series) -> NDArray[np.float64]:
    """Return each estimator's place in what its plan wants, NaN where it is not wanted."""
    order = np.full(len(estimator), np.nan)
    for word in wish.unique():
        unsaid = pd.isna(word)
        wanted = PREFERRED if unsaid else PLANNED.get(word, (word,))
        rows = (wish.isna() if unsaid else wish == word).to_numpy()
        order[rows] = estimator[rows].map({name: place for place, name in enumerate(wanted)})
    return order
