"""Quantiles from the order statistics around them, of independent values and of values in clusters."""
