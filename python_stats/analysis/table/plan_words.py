"""What a plan may ask for in words that are not an estimator's own name."""

# The raw comparison: which estimator that is follows from the metric's type and from how units were assigned.
RAW_COMPARISON = ("difference", "ratio", "cluster", "unadjusted")

# The raw comparison adjusted by the pre-period, where there is one.
PRE_PERIOD = "cuped"
