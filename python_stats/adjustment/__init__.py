"""What is known beside the outcome: the pre-period, covariates, strata, exposure, changes since before."""
