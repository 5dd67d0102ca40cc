"""Settings as models hand them over: mostly as text."""

from __future__ import annotations

import pytest

from python_stats.analysis.settings import DEFAULTS, Settings


def test_text_becomes_numbers_and_what_is_left_out_has_its_default():
    got = Settings.read(
        min_units="5", exact_below="10", score_below="40", skewness_corrected_from="0.1", skewness_limit="0.7",
        lift_method="fieller", prior_lift_sd="0.05",
    )  # fmt: skip
    assert (got.min_units, got.exact_below, got.lift_method, got.prior_lift_sd) == (5, 10.0, "fieller", 0.05)
    assert got.corrections == {} and isinstance(got.min_units, int)
    assert Settings.read() == DEFAULTS


@pytest.mark.parametrize("none", [None, "None"])
def test_no_prior_is_none(none):
    assert Settings.read(prior_lift_sd=none).prior_lift_sd is None
