"""Every planned comparison by every estimator that applies: the order in which estimates become results."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from python_stats.analysis.families import correct_families
from python_stats.analysis.headline import mark_headline
from python_stats.analysis.moment_estimates import moment_estimates
from python_stats.analysis.statuses import status_before

PLAN = ["exp_id", "metric_id", "variant_id", "population", "role", "alpha", "correction"]


class Evidence(NamedTuple):
    """What moments cannot say: the moment tables of the estimators that need more, each empty where no plan asks."""


def all_estimates(comparisons: pd.DataFrame, evidence: Evidence, *, min_units: int = 2) -> pd.DataFrame:
    """Estimate every comparison by every estimator that applies to it, and mark the headline.

    Parameters
    ----------
    comparisons : DataFrame
        One row per planned metric and treatment, with the columns of the model ``look_comparison``.
    evidence : Evidence
        The other moment tables.
    min_units : int, default 2
        An arm with fewer mature units has a status instead of a test.

    Returns
    -------
    DataFrame
        One row per comparison and estimator, exactly one of each comparison with ``is_headline``.
    """
    possible = comparisons[status_before(comparisons, min_units) == ""].reset_index(drop=True)
    parts = [moment_estimates(comparisons, min_units=min_units)]
    del possible
    return mark_headline(pd.concat(parts, ignore_index=True), comparisons)


def effects(
    comparisons: pd.DataFrame, evidence: Evidence, corrections: dict[str, str], *, min_units: int = 2
) -> pd.DataFrame:
    """Estimate every comparison and correct the headlines for the number of tests in their family.

    Parameters
    ----------
    comparisons, evidence, min_units
        As in `all_estimates`.
    corrections : dict of str to str
        Correction of each role, for experiments that do not name one.

    Returns
    -------
    DataFrame
        The columns of `python_stats.analysis.typed_frame.EFFECT_COLUMNS`.
    """
    estimates = all_estimates(comparisons, evidence, min_units=min_units)
    estimates = estimates.merge(comparisons[PLAN], on=PLAN[:4], how="left")
    estimates["correction"] = estimates["correction"].fillna(estimates["role"].map(corrections)).fillna("none")
    return correct_families(estimates)
