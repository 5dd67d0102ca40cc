"""Statistics of A/B experiments from moments: pure functions on arrays of cells."""
