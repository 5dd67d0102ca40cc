"""Rates: two proportions, score intervals, one proportion against a benchmark, tables of counts."""
