"""NIST's hard cases for the mean and the standard deviation, as experiments: through windows, looks and moments."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

AS_OF = "2024-03-01"


def pairs(base):
    """NumAcc2-4: b, then 500 times b - 0.1 and b + 0.1; the mean is b and the standard deviation exactly 0.1."""
    return np.array([base, *np.tile([base - 0.1, base + 0.1], 500)])


# Values, certified mean and standard deviation (NIST StRD, univariate), and the digits that must survive.
CASES = {
    "numacc1": (np.array([10000001.0, 10000003.0, 10000002.0]), 10000002.0, 1.0, 14),
    "numacc2": (pairs(1.2), 1.2, 0.1, 13),
    "numacc3": (pairs(1000000.2), 1000000.2, 0.1, 9),
    "numacc4": (pairs(10000000.2), 10000000.2, 0.1, 8),
}


def digits(got, certified):
    """The log relative error: how many digits agree."""
    error = abs(got - certified) / abs(certified)
    return 15.0 if error == 0 else min(15.0, -np.log10(error))


@pytest.fixture(scope="module")
def built(shared_project, write_experiment, stack):
    """Each case with all units maturing on one day, on seven days in turn, and in clusters of one and two units."""
    experiments = []
    for name, (values, _, _, _) in CASES.items():
        arms = {"control": {"x": values, "pre x": values}, "treatment": {"x": values[::-1] + 1, "pre x": values[::-1]}}
        experiments.append(write_experiment(f"{name} at once", arms))
        experiments.append(write_experiment(f"{name} in looks", arms, assigned_days=7))
        clusters = {v: [f"{v}{i // 2}" for i in range(len(values))] for v in arms}
        experiments.append(write_experiment(f"{name} in clusters", arms, assigned_days=2, clusters=clusters))
    return shared_project.load(**stack(*experiments)).must_run(as_of=AS_OF)


@pytest.mark.parametrize("how", ["at once", "in looks", "in clusters"])
@pytest.mark.parametrize("name", CASES)
def test_moments_keep_their_digits(built, name, how):
    values, mean, sd, least = CASES[name]
    # Even and odd values mature on different days: all variance lies between two means, which are doubles themselves.
    least -= how == "in clusters" and name in ("numacc3", "numacc4")
    rows = built.internal("metric_moment").query("exp_id == @name + ' ' + @how").set_index("variant_id")
    assert rows.loc["control", "n"] == len(values)
    for variable in ("numerator", "covariate"):
        assert digits(rows.loc["control", f"mean_{variable}"], mean) >= min(least, 14)
        assert digits(np.sqrt(rows.loc["control", f"var_{variable}"]), sd) >= least
    # A unit's outcome and covariate are the same number, so their covariance is the variance.
    covariance = rows.loc["control", "cov_numerator_covariate"]
    assert digits(np.sqrt(covariance), sd) >= least


@pytest.mark.parametrize("name", CASES)
def test_every_look_keeps_its_digits(built, name):
    values, _, _, least = CASES[name]
    looks = built.internal("look_moment").query("exp_id == @name + ' in looks' and variant_id == 'control'")
    looks = looks.sort_values("look_date", ignore_index=True)
    days = min(7, len(values))
    assert len(looks) == days
    index = np.arange(len(values)) % 7
    for day, row in looks.iterrows():
        seen = values[index <= day]
        assert row["n"] == len(seen)
        # Centred before squaring: the differences to the base are exact enough to be the truth here.
        centred = seen - values[0]
        assert digits(row["mean_numerator"], values[0] + centred.mean()) >= min(least, 14)
        if len(seen) > 1:
            assert digits(row["var_numerator"], centred.var(ddof=1)) >= least - 0.5


@pytest.mark.parametrize("name", ["numacc2", "numacc3", "numacc4"])
def test_cluster_moments_keep_their_digits(built, name):
    values, _, _, least = CASES[name]
    rows = built.internal("cluster_moment").query("exp_id == @name + ' in clusters' and variant_id == 'control'")
    row = rows.loc[rows["look_date"].idxmax()]
    deviation = values - values[0]
    residual = pd.Series(deviation - deviation.mean()).groupby(np.arange(len(values)) // 2).sum()
    share = pd.Series(np.ones(len(values))).groupby(np.arange(len(values)) // 2).sum() / len(values)
    # CR2 of a mean: the squared residual totals over 1 - share, times n for "a variance divided by n".
    variance = (residual**2 / (1 - share)).sum() / len(values)
    assert digits(row["var_numerator"], variance) >= least - 2


def test_the_effect_is_one(built):
    for name, (_, _, _, least) in CASES.items():
        assert digits(built.result(f"{name} in looks", "x")["effect_unadjusted"], 1.0) >= min(least, 9) - 1
