"""Before the start: sample sizes, power and detectable effects."""
