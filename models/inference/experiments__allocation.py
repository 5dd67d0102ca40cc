"""Whether each experiment's assignment can be trusted: sample ratio mismatch, balance of exposure and covariates."""

import pandas as pd

from python_stats.analysis.assignment_checks import check_allocation, check_balance
from python_stats.analysis.typed_frame import CHECK_COLUMNS, typed_frame


def model(dbt, session):
    dbt.config(materialized="table")
    allocation = check_allocation(
        dbt.ref("experiments__allocation_count").df(), prior_units=float(dbt.config.meta_get("srm_prior_units"))
    )
    comparison = dbt.ref("experiments__comparison").df()
    # The exposed were chosen after the assignment: their pre-period says nothing about it.
    balance = check_balance(comparison[comparison["population"] == "assigned"]).assign(check_name="balance")
    return typed_frame(pd.concat([allocation, balance], ignore_index=True), CHECK_COLUMNS)
