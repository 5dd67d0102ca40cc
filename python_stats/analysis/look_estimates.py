"""The headline of every comparison at every look, from what moments and counts can say."""

from __future__ import annotations

import pandas as pd

from python_stats.analysis.estimate_rows import stacked
from python_stats.analysis.headline import PLANNED, mark_headline
from python_stats.analysis.moment_estimates import moment_estimates
from python_stats.analysis.quantile_estimates import quantile_estimates
from python_stats.analysis.rate_estimates import rate_estimates
from python_stats.analysis.settings import DEFAULTS, Settings
from python_stats.analysis.statuses import status_before


def look_estimates(comparisons: pd.DataFrame, settings: Settings = DEFAULTS) -> pd.DataFrame:
    """Estimate every comparison at every look and keep the headline.

    Parameters
    ----------
    comparisons : DataFrame
        One row per planned metric, treatment and look, with the columns of the model ``look_comparison``.
    settings : Settings
        As in `python_stats.analysis.moment_estimates.moment_estimates`.

    Returns
    -------
    DataFrame
        One row per comparison and look. Estimators that need more than moments are not followed from look to look:
        where a plan asks for one, its looks show what the moments say.
    """
    followed = comparisons["estimator"].isin([*PLANNED, "exact"])
    comparisons = comparisons.assign(estimator=comparisons["estimator"].astype(object).where(followed, None))
    possible = comparisons[status_before(comparisons, settings.min_units) == ""].reset_index(drop=True)
    parts = [
        moment_estimates(comparisons, settings),
        rate_estimates(possible, exact_below=settings.exact_below),
        quantile_estimates(comparisons, min_units=settings.min_units),
    ]
    estimates = mark_headline(stacked(parts), comparisons)
    return estimates[estimates["is_headline"]].reset_index(drop=True)
