"""Correction of the headline p-values for the number of tests in their family."""

from __future__ import annotations

import numpy as np
import pandas as pd

from python_stats.multiplicity import adjust

CORRECTIONS = {"bh": "benjamini_hochberg", "by": "benjamini_yekutieli"}


def correct_families(estimates: pd.DataFrame) -> pd.DataFrame:
    """Adjust the headline p-values for the number of tests in their family.

    The family of a primary metric is its treatment arms; of every other role, all metrics and arms of the role in the
    experiment. Rows without a p-value count in no family.

    Parameters
    ----------
    estimates : DataFrame
        Rows of `estimate_effects` with the columns ``role``, ``correction`` (a method of `multiplicity.METHODS`, or
        ``bh``/``by``) and ``alpha`` added.

    Returns
    -------
    DataFrame
        The same rows with ``p_value_adjusted``, ``correction`` (full name), ``correction_family`` (in words) and
        ``is_significant``; missing off the headline.
    """
    table = estimates.copy()
    method = table["correction"].replace(CORRECTIONS)
    scope = table["exp_id"] + ", " + table["population"] + ", " + table["dimension"] + "=" + table["segment"]
    metric = np.where(table["role"] == "primary", "primary " + table["metric_id"], table["role"] + " metrics")
    family = scope.where(table["dimension"] != "all", table["exp_id"] + ", " + table["population"])
    family = family + ", " + metric + ", all arms"
    counted = table["is_headline"].to_numpy(dtype=bool)
    codes, _ = pd.factorize(family.astype(str) + table["look_date"].astype(str))
    p = table["p_value"].where(counted).to_numpy(dtype=np.float64)
    adjusted = adjust(p, codes, method.to_numpy(dtype=str)) if len(table) else np.empty(0)
    significant = pd.array(adjusted <= table["alpha"].to_numpy(dtype=np.float64), dtype="boolean")
    significant[np.isnan(adjusted)] = pd.NA
    return table.assign(
        p_value_adjusted=adjusted,
        correction=method.where(counted),
        correction_family=family.where(counted),
        is_significant=significant,
    )
