"""What the data say as posterior probabilities: how likely the treatment is better, and what a wrong choice costs."""

from __future__ import annotations

import numpy as np

from python_stats.analysis.estimators.rate_counts import rate_counts
from python_stats.analysis.estimators.register import BY_NAME
from python_stats.analysis.judgement.headline import Headlines
from python_stats.analysis.settings import DEFAULTS, Settings
from python_stats.analysis.table.estimate_rows import EstimateRows, estimate_rows
from python_stats.analysis.table.metric_types import is_rate
from python_stats.bayes import beta_binomial, normal_normal
from python_stats.wald import Comparison


def bayesian_readings(headlines: Headlines, settings: Settings = DEFAULTS) -> EstimateRows:
    """Read every comparison with an effect and a standard error as a posterior.

    Rates of independent units whose headline uses no covariates have beta posteriors (uniform prior) and exact
    integrals. Everything else has a normal posterior around the headline estimate: with the flat prior, the likelihood
    itself; with ``prior_lift_sd``, shrunk towards no effect.

    Parameters
    ----------
    headlines : Headlines
        The headline of every comparison.
    settings : Settings
        ``prior_lift_sd``, the standard deviation of the normal prior of the lift around zero (a fraction of the control
        mean). Without one the prior is flat. Rates keep their beta prior either way.

    Returns
    -------
    EstimateRows
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
    # The effect of a rank test is a probability: its loss would have no unit.
    by_rank = [name for name, estimator in BY_NAME.items() if estimator.scale != "metric"]
    # Nor is a normal posterior one of a skewed estimate.
    plain = np.nan_to_num(headlines["reference_skewness"]) == 0.0
    rows = np.flatnonzero(~headlines.is_by(*by_rank) & plain & (headlines["effect_se"] > 0))
    table = headlines.table.take(rows)
    mean_control, mean_treatment, effect, se = (
        headlines[name][rows] for name in ("mean_control", "mean_treatment", "effect", "effect_se")
    )
    alpha = table.number("alpha")
    base = np.abs(mean_control)
    spread = np.inf if settings.prior_lift_sd is None else np.where(base > 0, settings.prior_lift_sd * base, np.inf)
    normal = normal_normal(effect, se, prior_sd=spread, alpha=alpha)
    posterior = [
        normal.mean, normal.sd, normal.ci_low, normal.ci_high,
        normal.probability_greater, normal.probability_less, normal.loss_ship, normal.loss_keep,
    ]  # fmt: skip

    by_counts = headlines.is_by("difference", "exact")[rows] & is_rate(table) & ~table.flag("is_clustered")
    rates = np.flatnonzero(by_counts)
    counts = rate_counts(table.take(rates))
    beta = beta_binomial(*counts, alpha=alpha[rates], lift=False)
    # The standard deviations of the two beta posteriors, of which the difference's variance is the sum.
    arms = ((beta.mean_control, counts.n_control), (beta.mean_treatment, counts.n_treatment))
    variance = sum(m * (1 - m) / (n + 3) for m, n in arms)
    exact = [
        beta.effect, np.sqrt(variance), beta.ci_low, beta.ci_high,
        beta.probability_greater, beta.probability_less, beta.loss_ship, beta.loss_keep,
    ]  # fmt: skip
    for values, replaced in zip(posterior, exact, strict=True):
        values[rates] = replaced

    missing = np.full(len(table), np.nan)
    centre, sd, low, high, greater, less, loss_ship, loss_keep = posterior
    return estimate_rows(
        table, "bayes", Comparison(centre, sd, missing, missing, missing, low, high),
        mean_control=mean_control, mean_treatment=mean_treatment, is_unadjusted=False, is_headline=False,
        is_uncorrected=False,
        probability_greater=greater, probability_less=less, loss_ship=loss_ship, loss_keep=loss_keep,
    ).having(effect_se=sd)  # fmt: skip
