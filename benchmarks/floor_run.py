"""Run `floor.sql` on a generated file and print its cost, and its moments on demand, as one line of JSON."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from collections.abc import Sequence

FLOOR_SQL = Path(__file__).with_name("floor.sql")


def floor_moments(database: Path, *, threads: int | None = None) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Compute the moments of every (experiment, kpi, variant) with the hand-written query.

    Parameters
    ----------
    database
        A DuckDB file with the input tables in the schema `raw`; it is opened read-only.
    threads
        DuckDB threads; its default when None.

    Returns
    -------
    moments : list of dict
        A row per cell: `exp_id, metric_id, variant_id, n, mean, variance, covariate_mean, covariate_variance,
        covariance`; variances and covariances with n - 1.
    cost : dict of str to float
        `seconds` and `cpu_seconds` of the query, without the start of Python and the opening of the file.
    """
    with duckdb.connect(config={} if threads is None else {"threads": threads}) as con:
        con.execute(f"attach '{database}' as bench (read_only)")
        con.execute("use bench")
        started, started_cpu = time.perf_counter(), time.process_time()
        con.execute(f"create table memory.main.moments as {FLOOR_SQL.read_text(encoding='utf-8')}")
        cost = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - started_cpu}
        cursor = con.execute("from memory.main.moments")
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()], cost


def main(argv: Sequence[str] | None = None) -> None:
    """Run the floor once, in a process of its own so that its memory can be measured."""
    parser = argparse.ArgumentParser(description="Time the hand-written query.")
    parser.add_argument("database", type=Path)
    parser.add_argument("--threads", type=int, default=None)
    arguments = parser.parse_args(argv)
    moments, cost = floor_moments(arguments.database, threads=arguments.threads)
    print(json.dumps(cost | {"rows": moments}))


if __name__ == "__main__":
    main()
