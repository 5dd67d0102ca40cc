"""Two arms of means, ratios and ranks: Welch, the delta method, heavy tails, skewed differences, resampling."""
