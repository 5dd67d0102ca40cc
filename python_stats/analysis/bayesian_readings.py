"""What the data say as posterior probabilities: how likely the treatment is better, and what a wrong choice costs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from python_stats.analysis.estimate_rows import KEYS, estimate_rows
from python_stats.analysis.rate_counts import RATES
from python_stats.bayes import beta_binomial, normal_normal
from python_stats.wald import Comparison


def bayesian_readings(
    comparisons: pd.DataFrame, headlines: pd.DataFrame, *, prior_lift_sd: float | None = None
) -> pd.DataFrame:
    """Read every comparison with an effect and a standard error as a posterior.

    Rates of independent units whose headline uses no covariates have beta posteriors (uniform prior) and exact
    integrals. Everything else has a normal posterior around the headline estimate: with the flat prior, the likelihood
    itself; with ``prior_lift_sd``, shrunk towards no effect.

    Parameters
    ----------
    comparisons : DataFrame
        Comparisons with the columns of the model ``look_comparison``.
    headlines : DataFrame
        The headline row of each comparison, in any order.
    prior_lift_sd : float, optional
        Standard deviation of the normal prior of the lift around zero (a fraction of the control mean). Without one the
        prior is flat. Rates keep their beta prior either way.

    Returns
    -------
    DataFrame
        One row ``bayes`` per comparison, but for rank tests and skewed estimates: posterior mean, standard deviation
        and equal-tailed credible limits in the columns of an estimate, ``probability_greater`` and
        ``probability_less`` (than the control's value),
        ``loss_ship`` and ``loss_keep`` (expected loss of choosing the treatment, and the control, when larger is
        better; in the metric's unit). No test: statistic and p-value are missing. Not corrected for several metrics or
        looks.

    References
    ----------
    See `bayes.beta_binomial` and `bayes.normal_normal`.
    """
    used = ["estimator", "effect", "effect_se", "mean_control", "mean_treatment", "reference_skewness"]
    shown = headlines.reindex(columns=[*KEYS, *used])
    # The effect of a rank test is a probability: its loss would have no unit.
    shown = shown[shown["estimator"] != "mann_whitney"]
    # Nor is a normal posterior one of a skewed estimate.
    shown = shown[shown["reference_skewness"].fillna(0.0) == 0.0]
    plan = comparisons.drop(columns=["estimator"])
    table = plan.merge(shown[shown["effect_se"] > 0], on=KEYS, how="inner").reset_index(drop=True)
    alpha = table["alpha"].to_numpy(dtype=float)
    effect = table["effect"].to_numpy(dtype=float)
    base = np.abs(table["mean_control"].to_numpy(dtype=float))
    spread = np.inf if prior_lift_sd is None else np.where(base > 0, prior_lift_sd * base, np.inf)
    normal = normal_normal(effect, table["effect_se"].to_numpy(dtype=float), prior_sd=spread, alpha=alpha)
    posterior = [
        normal.mean, normal.sd, normal.ci_low, normal.ci_high,
        normal.probability_greater, normal.probability_less, normal.loss_ship, normal.loss_keep,
    ]  # fmt: skip

    is_rate = table["metric_type"].isin(RATES) & table["estimator"].isin(["difference", "exact"])
    rates = np.flatnonzero(is_rate & ~table["is_clustered"].astype(bool))
    counts = []
    for arm in ("control", "treatment"):
        n = table[f"n_{arm}"].to_numpy(dtype=np.float64)[rates]
        counts += [np.rint(table[f"mean_numerator_{arm}"].to_numpy(dtype=np.float64)[rates] * n), n]
    beta = beta_binomial(*counts, alpha=alpha[rates], lift=False)
    # The standard deviations of the two beta posteriors, of which the difference's variance is the sum.
    variance = sum(m * (1 - m) / (n + 3) for m, n in ((beta.mean_control, counts[1]), (beta.mean_treatment, counts[3])))
    exact = [
        beta.effect, np.sqrt(variance), beta.ci_low, beta.ci_high,
        beta.probability_greater, beta.probability_less, beta.loss_ship, beta.loss_keep,
    ]  # fmt: skip
    for values, replaced in zip(posterior, exact, strict=True):
        values[rates] = replaced

    missing = np.full(len(table), np.nan)
    centre, sd, low, high, greater, less, loss_ship, loss_keep = posterior
    rows = estimate_rows(
        table, "bayes", Comparison(centre, sd, missing, missing, missing, low, high),
        mean_control=table["mean_control"], mean_treatment=table["mean_treatment"], is_unadjusted=False,
        is_headline=False, probability_greater=greater, probability_less=less, loss_ship=loss_ship, loss_keep=loss_keep,
    )  # fmt: skip
    return rows.assign(effect_se=sd)
