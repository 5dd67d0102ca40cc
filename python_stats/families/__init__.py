"""Many tests at once: corrections, false discovery rates, omnibus tests, effects of segments side by side."""
