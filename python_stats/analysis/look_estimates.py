"""The headline of every comparison at every look, from what moments and counts can say."""

from __future__ import annotations

import pandas as pd

from python_stats.analysis.estimators.quantile_estimates import quantile_estimates
from python_stats.analysis.estimators.register import MONITORED_WORDS, from_moments
from python_stats.analysis.judgement.headline import Headlines, mark_headline
from python_stats.analysis.judgement.monitoring import SEQUENTIAL_COLUMNS, monitored
from python_stats.analysis.settings import DEFAULTS, Settings
from python_stats.analysis.table.comparisons import LOOK_KEYS, Comparisons
from python_stats.analysis.table.estimate_rows import COUNTS
from python_stats.analysis.table.typed_frame import LOOK_COLUMNS

# Of the headlines, what is shown, and what monitoring needs beside it.
_KNOWN = (*LOOK_KEYS, "metric_type", "estimator", "is_last_look", *COUNTS, *SEQUENTIAL_COLUMNS)
_READ = [
    *(name for name in LOOK_COLUMNS if name not in _KNOWN),
    "reference_skewness",
    "se_control",
    "cov_effect_control",
]


def look_estimates(comparisons: pd.DataFrame, settings: Settings = DEFAULTS) -> Headlines:
    """Estimate every comparison at every look, keep the headline, and add what may be said however often one looks.

    Parameters
    ----------
    comparisons : DataFrame
        One row per planned metric, treatment and look, with the columns of the model ``look_comparison``.
    settings : Settings
        Thresholds and choices.

    Returns
    -------
    Headlines
        One per comparison and look. Estimators that need more than moments are not followed from look to look: where a
        plan asks for one, its looks show what the moments say.
    """
    words = comparisons["estimator"].astype(object)
    table = Comparisons(comparisons, estimator=words.where(words.isin(MONITORED_WORDS), None))
    parts = [*from_moments(table, settings), *quantile_estimates(table, settings=settings)]
    headlines = Headlines.of(mark_headline(parts, table), table, _READ)
    return monitored(headlines.having(is_last_look=table.flag("is_last_look")), settings)
