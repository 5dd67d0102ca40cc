"""Every planned comparison by every estimator that applies: the order in which estimates become results."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from python_stats.analysis.estimators.register import BY_NAME, from_evidence, from_moments
from python_stats.analysis.judgement.bayesian_readings import bayesian_readings
from python_stats.analysis.judgement.families import correct_families
from python_stats.analysis.judgement.headline import Headlines, mark_headline
from python_stats.analysis.judgement.monitoring import SEQUENTIAL_COLUMNS
from python_stats.analysis.judgement.omnibus_tests import omnibus_p_value
from python_stats.analysis.judgement.skewed_refusals import refuse_skewed
from python_stats.analysis.settings import DEFAULTS, Settings
from python_stats.analysis.table.comparisons import LOOK_KEYS, Comparisons
from python_stats.analysis.table.estimate_rows import frame_of
from python_stats.analysis.table.typed_frame import EFFECT_COLUMNS, missing

# What the monitoring of a headline adds to its row; the rest of it is about single looks.
MONITORED = [name for name in SEQUENTIAL_COLUMNS if name in EFFECT_COLUMNS]

# What is made of all headlines together.
JUDGED = ["omnibus_p_value", "p_value_adjusted", "correction", "correction_family", "is_significant"]

# Of the headlines, what these need.
_READ = [
    "effect", "effect_se", "df", "p_value", "mean_control", "mean_treatment", "reference_skewness", "control_variance",
]  # fmt: skip


def effects(
    comparisons: pd.DataFrame,
    evidence: Mapping[str, pd.DataFrame] | None = None,
    looks: pd.DataFrame | None = None,
    settings: Settings = DEFAULTS,
) -> pd.DataFrame:
    """Estimate every comparison, add what its monitoring says, and correct the headlines family by family.

    Parameters
    ----------
    comparisons : DataFrame
        One row per planned metric and treatment, with the columns of the model ``look_comparison``.
    evidence : mapping of str to DataFrame, optional
        The tables beside the comparisons, by the names of their models (the register of estimators says which).
    looks : DataFrame, optional
        The monitored headline at every look: the model ``look``.
    settings : Settings
        Thresholds and choices.

    Returns
    -------
    DataFrame
        One row per comparison and estimator, exactly one of each comparison with ``is_headline``: the columns of
        `python_stats.analysis.table.typed_frame.EFFECT_COLUMNS`.
    """
    table = Comparisons(comparisons)
    parts = [*from_moments(table, settings), *from_evidence(table, evidence or {}, settings)]
    parts = mark_headline(refuse_skewed(parts, settings.skewness_limit), table)
    headlines = Headlines.of(parts, table, _READ)
    headlines = _with_monitoring(headlines, looks)
    headlines = correct_families(headlines, settings).having(omnibus_p_value=omnibus_p_value(headlines))
    shown = [
        *(
            part.having(is_uncorrected=np.full(len(part), BY_NAME[part.estimator].takes_difference_as_normal))
            for part in parts
        ),
        bayesian_readings(headlines, settings),
    ]
    keys = (*LOOK_KEYS, "metric_type", "estimator")
    return frame_of(
        shown,
        [name for name in EFFECT_COLUMNS if name not in keys],
        {name: headlines[name] for name in (*MONITORED, *JUDGED)},
    )


def _with_monitoring(headlines: Headlines, looks: pd.DataFrame | None) -> Headlines:
    """Add what the last look says; a headline of another estimator than the monitored one was not monitored."""
    if looks is None or looks.empty:
        return headlines
    place = headlines.table.find(looks)
    followed = (place >= 0) & (looks["estimator"].to_numpy(dtype=object)[place] == headlines["estimator"])
    found = {}
    for name in MONITORED:
        unknown = missing(name, len(headlines))
        values = np.append(looks[name].to_numpy(dtype=unknown.dtype, na_value=unknown[0]), unknown[:1])
        found[name] = np.where(followed, values[place], unknown)
    return headlines.having(**found)
