"""Adjustment by the pre-period and by strata: useless, useful and perfect covariates."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr

from python_stats.adjustment.regression import ancova, lin
from python_stats.analysis.estimators.regression_estimates import regression_estimates
from python_stats.analysis.estimators.stratified_estimates import stratified_estimates
from python_stats.analysis.table.estimate_rows import frame_of
from python_stats.moments import Moments, moments_of
from python_stats.simulation.shipped import by_estimator, comparison_frame, shipped
from python_stats.simulation.study import Simulate, Study
from python_stats.simulation.trials import Trials, compared

FloatArray = NDArray[np.float64]
# Outcome without treatment from the covariates and noise, each of shape (replications, units), covariates last axis 3.
Outcome = Callable[[FloatArray, FloatArray], FloatArray]

GROUP = "CUPED, regression adjustment, post-stratification"
STRATA = 4
QUARTILES = np.array([-0.67449, 0.0, 0.67449])
# Means without an effect.
BASE = {"mean": 10.0, "proportion": 0.15}


def correlated(rho: float) -> Outcome:
    """Outcome with mean 10, standard deviation 1 and this correlation with the first covariate."""
    return lambda x, noise: 10 + rho * x[..., 0] + np.sqrt(1 - rho**2) * noise


def adjusted(
    outcome: Outcome,
    n: tuple[int, int],
    *,
    effect: float,
    varies: float = 0.0,
    metric_type: str = "mean",
    skewed: bool = False,
) -> Simulate:
    """Adjust for one covariate, for three, and for four strata of the first one.

    The effect of a unit is ``effect * (1 + varies * first covariate)``.
    """

    def simulate(rng: np.random.Generator, replications: int, with_effect: bool) -> dict[str, Trials]:
        truth = effect if with_effect else 0.0
        arms, strata = [], []
        for size, treated in zip(n, (0.0, 1.0), strict=True):
            x = rng.normal(size=(replications, size, 3))
            noise = rng.normal(size=(replications, size))
            y = outcome(x, noise)
            if metric_type == "proportion":
                p = y + treated * truth
                y = (ndtr(noise) < p).astype(np.float64)
            else:
                y = y + treated * truth * (1 + varies * x[..., 0])
            if skewed:
                x = np.exp(x)
            arms.append(moments_of(np.concatenate([y[..., None], x], axis=-1)))
            strata.append(_by_stratum(y, x[..., 0], np.exp(QUARTILES) if skewed else QUARTILES))
        frame = comparison_frame(*(arm.select([0, 1]) for arm in arms), ("numerator", "covariate"),
                                 metric_type=metric_type)  # fmt: skip
        result = shipped(frame, truth, None if skewed else truth / BASE[metric_type])
        asked = frame.assign(estimator="regression")
        result |= by_estimator(frame_of(regression_estimates(asked, _cross_moments(*arms))), asked, truth)
        result |= by_estimator(frame_of(stratified_estimates(frame, _strata_rows(*strata))), frame, truth)
        result["lin, sample target"] = compared(lin(*arms).comparison, truth)
        result["ancova"] = compared(ancova(*arms).comparison, truth)
        return result

    return simulate


def _by_stratum(y: FloatArray, x: FloatArray, edges: FloatArray) -> Moments:
    """Moments of the outcome between the edges of the covariate, shape (replications, strata)."""
    cell = (np.searchsorted(edges, x) + STRATA * np.arange(len(x))[:, None]).ravel()
    cells = STRATA * len(x)
    n = np.bincount(cell, minlength=cells).astype(np.float64)
    with np.errstate(all="ignore"):
        mean = np.bincount(cell, y.ravel(), minlength=cells) / n
        rest = y.ravel() - mean[cell]
        var = np.bincount(cell, rest**2, minlength=cells) / np.where(n > 1, n - 1, np.nan)
    shape = (len(x), STRATA)
    return Moments(n.reshape(shape), mean.reshape(*shape, 1), var.reshape(*shape, 1, 1))


def _cross_moments(control: Moments, treatment: Moments) -> pd.DataFrame:
    """Lay out outcome and covariates as the model ``covariate_moment``, in long form with a place for a denominator."""
    k = control.mean.shape[-1]
    place = np.array([0, *range(2, k + 1)])
    row, column = (index.ravel() for index in np.tril_indices(k))
    parts = []
    for variant, arm in (("control", control), ("treatment", treatment)):
        rows = arm.n.size
        parts.append(
            pd.DataFrame(
                {
                    "plan_key": np.repeat(np.arange(rows).astype(str), row.size),
                    "variant_id": variant,
                    "n": np.repeat(arm.n, row.size),
                    "row_place": np.tile(place[row], rows),
                    "column_place": np.tile(place[column], rows),
                    "row_mean": arm.mean[:, row].ravel(),
                    "covariance": arm.cov[:, row, column].ravel(),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _strata_rows(control: Moments, treatment: Moments) -> pd.DataFrame:
    """Lay out the strata as the model ``stratum_moment``; an empty one has no row."""
    parts = []
    for variant, arm in (("control", control), ("treatment", treatment)):
        replication, stratum = np.nonzero(arm.n)
        parts.append(
            pd.DataFrame(
                {
                    "plan_key": replication.astype(str),
                    "variant_id": variant,
                    "stratum": stratum,
                    "n": arm.n[replication, stratum],
                    "mean_numerator": arm.mean[replication, stratum, 0],
                    "var_numerator": arm.cov[replication, stratum, 0, 0],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _rate(x: FloatArray, noise: FloatArray) -> FloatArray:
    """Probability between 0.05 and 0.25 by the first covariate."""
    return 0.05 + 0.2 * ndtr(x[..., 0]) + 0.0 * noise


def _revenue(x: FloatArray, noise: FloatArray) -> FloatArray:
    """Mostly zero and heavy-tailed, correlated with its past."""
    return np.where(x[..., 1] > 0.8, np.exp(x[..., 0] + 0.5 * noise), 0.0)


FEW_UNITS = (
    "each stratum's variance comes from two or three units: the degrees of freedom of the t reference count them as if "
    "they were alike. Ten units per stratum and arm are enough"
)
NOISE_SLOPE = (
    "the slopes are estimated from ten units an arm, as if they were known; from 20 units on this does not show"
)
SAMPLE = (
    "the interval is about the effect at this sample's covariate mean, not at the population's, and the effect varies "
    "with the covariate; `regression` adds the missing part (target population)"
)
SKEWED = (
    "a skewed outcome regressed on skewed covariates: a few units decide the slopes, and the sample target leaves out "
    "that the effect's slopes were estimated"
)


def _study(
    scenario: str,
    effect: str,
    simulate: Simulate,
    notes: dict[str, str] | None = None,
    size: tuple[int, int] = (10_000, 1_000),
) -> Study:
    return Study(GROUP, scenario, effect, simulate, *size, notes or {})


STUDIES = [
    _study("useless covariate, 100 + 100", "0.4 sd", adjusted(correlated(0.0), (100, 100), effect=0.4)),
    _study("correlation 0.7, 100 + 100", "0.3 sd", adjusted(correlated(0.7), (100, 100), effect=0.3)),
    _study("correlation 0.9999, 100 + 100", "0.005 sd", adjusted(correlated(0.9999), (100, 100), effect=0.005)),
    _study("perfect covariate, 100 + 100", "0.3 sd", adjusted(correlated(1.0), (100, 100), effect=0.3)),
    _study("correlation 0.5, 10 + 10", "1 sd", adjusted(correlated(0.5), (10, 10), effect=1.0),
           {"poststratified": FEW_UNITS, "*": NOISE_SLOPE}),
    _study("correlation 0.5, 20 + 20", "0.8 sd", adjusted(correlated(0.5), (20, 20), effect=0.8),
           {"poststratified": FEW_UNITS, "*": NOISE_SLOPE}),
    _study("correlation 0.7, 99/1 split: 9,900 + 100", "0.25 sd",
           adjusted(correlated(0.7), (9900, 100), effect=0.25), size=(2_000, 50)),
    _study("correlation 0.7, 90/10 split: 900 + 100, effect grows with the covariate", "0.3 sd on average",
           adjusted(correlated(0.7), (900, 100), effect=0.3, varies=1.0), {"lin, sample target": SAMPLE},
           size=(5_000, 500)),
    _study("rate of 0.15 that depends on the covariate, 500 + 500", "+0.07",
           adjusted(_rate, (500, 500), effect=0.07, metric_type="proportion"), size=(5_000, 500)),
    _study("revenue: 21 % non-zero, lognormal, skewed covariate, 1,000 + 1,000", "+0.3",
           adjusted(_revenue, (1000, 1000), effect=0.3, skewed=True), {"*": SKEWED}, size=(5_000, 250)),
]  # fmt: skip
