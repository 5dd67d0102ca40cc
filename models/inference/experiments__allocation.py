"""Whether each experiment's assignment can be trusted: sample ratio mismatch, balance of exposure and covariates."""

import pandas as pd

from python_stats.analysis.judgement.assignment_checks import check_allocation, check_balance
from python_stats.analysis.settings import Settings
from python_stats.analysis.table.typed_frame import CHECK_COLUMNS, typed_frame


def model(dbt, session):
    dbt.config(materialized="table")
    settings = Settings.read(**dbt.config.meta_get("settings"))
    allocation = check_allocation(dbt.ref("experiments__allocation_count").df(), settings)
    comparison = dbt.ref("experiments__comparison").df()
    # The exposed were chosen after the assignment: their pre-period says nothing about it.
    balance = check_balance(comparison[comparison["population"] == "assigned"]).assign(check_name="balance")
    return typed_frame(pd.concat([allocation, balance], ignore_index=True), CHECK_COLUMNS)
