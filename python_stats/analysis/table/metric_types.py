"""What a metric's type means for the statistics."""

from __future__ import annotations

from python_stats.analysis.table.comparisons import BoolArray, Comparisons

# Their units are zeros and ones.
RATES = ("proportion", "retention")


def is_rate(table: Comparisons) -> BoolArray:
    """Whether each comparison is one of rates: the share of the units that had an outcome."""
    return table.is_word("metric_type", *RATES)


def is_ratio(table: Comparisons) -> BoolArray:
    """Whether each comparison is one of ratios of sums, with a denominator of their own."""
    return table.is_word("metric_type", "ratio")


def is_quantile(table: Comparisons) -> BoolArray:
    """Whether each comparison is one of quantiles, which are no function of moments."""
    return table.is_word("metric_type", "quantile")
