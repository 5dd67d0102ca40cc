"""From frames of moments to frames of results: what the dbt Python models call.

Everything here picks, pairs and labels; the formulas are in the modules of `python_stats`.
"""
