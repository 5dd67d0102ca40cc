"""Units that were assigned together: robust variances and their degrees of freedom, and what few clusters need."""
