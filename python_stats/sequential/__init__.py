"""Looking more than once: spending functions and boundaries, always-valid p-values and intervals."""
