"""Whether a simulated error rate is what was promised, up to Monte-Carlo error."""

from __future__ import annotations

import numpy as np
from scipy.special import bdtr, bdtrc, ndtri

# Probability that a table of methods that all hold their level shows any cell outside its band.
FAMILY_ALPHA = 0.05
# Share of the errors that Monte-Carlo error is printed for.
PRINTED = 0.95


def margin(hits: float, trials: float) -> float:
    """Half-width of the 95 % interval of a simulated share, by the normal approximation.

    Examples
    --------
    >>> round(margin(500, 10_000), 4)
    0.0043
    """
    if trials == 0:
        return np.nan
    share = hits / trials
    return float(ndtri(0.5 + PRINTED / 2) * np.sqrt(share * (1.0 - share) / trials))


def verdict(errors: float, trials: float, nominal: float, level: float) -> str:
    """Compare a simulated number of errors with its nominal rate by the exact binomial tails.

    Parameters
    ----------
    errors, trials : float
        Errors and the replications that they are counted among.
    nominal : float
        The rate that the method promises.
    level : float
        Probability, on each side, of a false verdict: `FAMILY_ALPHA` divided by twice the number of cells judged.

    Returns
    -------
    str
        ``liberal`` (more errors than promised), ``conservative`` (fewer), ``holds``, or ``none`` without trials.

    Examples
    --------
    >>> [verdict(errors, 10_000, 0.05, 1e-4) for errors in (500, 620, 380)]
    ['holds', 'liberal', 'conservative']
    """
    if trials == 0:
        return "none"
    count = float(np.rint(errors))
    if count > 0 and bdtrc(count - 1, int(trials), nominal) < level:
        return "liberal"
    return "conservative" if bdtr(count, int(trials), nominal) < level else "holds"
