"""Settings as models hand them over: mostly as text."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from python_stats.analysis.settings import DEFAULTS, Settings


def test_text_becomes_numbers_and_what_is_left_out_has_its_default():
    got = Settings.read(
        min_units="5", exact_below="10", score_below="40", skewness_corrected_from="0.1", skewness_limit="0.7",
        lift_interval="fieller", prior_lift_sd="0.05",
    )  # fmt: skip
    assert (got.min_units, got.exact_below, got.lift_interval, got.prior_lift_sd) == (5, 10.0, "fieller", 0.05)
    assert got.correction == {} and isinstance(got.min_units, int)
    assert Settings.read() == DEFAULTS


@pytest.mark.parametrize("none", [None, "None"])
def test_no_prior_is_none(none):
    assert Settings.read(prior_lift_sd=none).prior_lift_sd is None


def test_a_name_that_is_no_setting_is_refused_in_words():
    with pytest.raises(TypeError, match="min_unit is no setting; settings are min_units"):
        Settings.read(min_unit="5")


def test_defaults_are_those_of_the_project():
    """A notebook without a project gets the numbers that a project without vars gets."""
    project = yaml.safe_load((Path(__file__).parents[3] / "dbt_project.yml").read_text(encoding="utf-8"))
    variables = project["vars"]["dbt_experiments"]
    for name, default in asdict(DEFAULTS).items():
        if name != "correction":
            assert variables[name] == default, name
