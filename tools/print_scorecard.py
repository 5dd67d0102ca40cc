"""Print the scorecard of a built database as a readable table."""

from __future__ import annotations

import os
import sys
import textwrap

import duckdb

REASON_WIDTH = 76


def main() -> int:
    """Print one block per experiment and treatment; the schema is that of the var ``marts_schema``'s default."""
    path = os.environ.get("EXPERIMENTS_DUCKDB_PATH", "experiments.duckdb")
    schema = sys.argv[1] if len(sys.argv) > 1 else "experiments"
    with duckdb.connect(path, read_only=True) as connection:
        # The default file is called as the default schema is, and then a schema alone is ambiguous.
        [(catalog,)] = connection.execute("select current_database()").fetchall()
        rows = connection.execute(
            "select exp_id, variant_id, decision, health_status, reason "
            f'from "{catalog}"."{schema}".experiment_scorecard order by exp_id, variant_id'
        ).fetchall()
    left = max([len(f"{exp_id} / {variant_id}") for exp_id, variant_id, *_ in rows] + [len("experiment / treatment")])
    print(f"\n{'experiment / treatment':<{left}}  {'decision':<14} {'health':<7} reason")
    print("-" * (left + 25 + REASON_WIDTH))
    for exp_id, variant_id, decision, health, reason in rows:
        first, *rest = textwrap.wrap(reason or "", REASON_WIDTH) or [""]
        print(f"{exp_id + ' / ' + variant_id:<{left}}  {decision:<14} {health or '':<7} {first}")
        for line in rest:
            print(" " * (left + 25) + line)
    print(f"\n{len(rows)} decisions. The numbers behind them: experiment_results and experiment_health beside it,")
    print(f"in {path}, e.g. select * from {catalog}.{schema}.experiment_results")
    return 0


if __name__ == "__main__":
    sys.exit(main())
