"""Simulated experiments: how often each method is wrong when it says 5 %, and how often its intervals cover.

A replication is a cell: thousands of simulated experiments are reduced to the moments that SQL would hand over and go
through one call of the same functions that the dbt models call. The table that comes of it is ``docs/calibration.md``.
"""
