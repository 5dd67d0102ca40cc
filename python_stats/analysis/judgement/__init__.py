"""What is made of the estimates: the headline, refusals, families, monitoring, posteriors, precision, health."""
