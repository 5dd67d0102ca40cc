"""Time the intervals of a 99th percentile and of a capped mean beside the queries that fetch their inputs.

Prints one line of JSON: wall and CPU seconds of each step. The unit values lie in memory in a plain table, so nothing
is read from disk or joined: the queries are the package's own (`macros/moments/order_statistics.sql`,
`models/moments/unit_bucket.sql`) without that, and cheaper than they are in a warehouse.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import duckdb
import numpy as np
from numpy.typing import NDArray

from python_stats.means.resampling import bootstrap_difference
from python_stats.quantiles.index_comparison import quantile_difference
from python_stats.quantiles.order_statistics import order_statistic_window

PROBABILITY = 0.99
CAP = 60.0
BUCKETS = 1000
DRAWS = 4999

# One unit in this many is in the sample that says where the order statistics lie.
SAMPLED = 64

Result = TypeVar("Result")


class Window(NamedTuple):
    """What the query for order statistics hands over for one arm."""

    n: int
    first_rank: int
    values: NDArray[np.float64]


def timed(call: Callable[[], Result]) -> tuple[Result, dict[str, float]]:
    """Call once and return the result with wall and CPU seconds, those of the database's threads included."""
    started, started_cpu = time.perf_counter(), time.process_time()
    result = call()
    return result, {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - started_cpu}


def connect(units: int, threads: int) -> duckdb.DuckDBPyConnection:
    """Make a table of units with a heavy-tailed value each (a log-normal one), in two arms."""
    connection = duckdb.connect()
    connection.execute(f"set threads = {threads}")
    connection.execute(
        f"""
        create table unit as
        select
            cast(i as bigint) as unit_key,
            'u' || i as unit_id,
            cast(hash(i) % 2 as integer) as variant_key,
            exp(
                1 + sqrt(-2 * ln((hash(i + {units}) % 1000000007 + 1) / 1000000009.0))
                * cos(2 * pi() * (hash(i + 2 * {units}) % 1000000007) / 1000000007.0)
            ) as value
        from range({units}) as of_units(i)
        """
    )
    return connection


def fetch_windows(connection: duckdb.DuckDBPyConnection) -> list[Window]:
    """Fetch the order statistics around the quantile of both arms: bounds from a sample, proven by counting."""
    sizes = dict(connection.execute("select variant_key, count(*) from unit group by variant_key").fetchall())
    windows = {arm: order_statistic_window(n, PROBABILITY) for arm, n in sizes.items()}
    spare = {arm: 8 * np.sqrt(SAMPLED * n * PROBABILITY * (1 - PROBABILITY)) + 8 * SAMPLED for arm, n in sizes.items()}
    wanted = ", ".join(
        f"({arm}, {int(windows[arm].first_rank)}, {int(windows[arm].last_rank)}, {float(spare[arm])!r}::double)"
        for arm in sizes
    )
    rows = connection.execute(
        f"""
        with wanted(variant_key, first_rank, last_rank, spare) as (values {wanted}),

        sampled as (
            select variant_key, value, {SAMPLED} * row_number() over (partition by variant_key order by value) as rank
            from unit
            where unit_key % {SAMPLED} = 0
        ),

        guessed as (
            select
                wanted.*,
                max(case when sampled.rank < wanted.first_rank - wanted.spare then sampled.value end) as low,
                min(case when sampled.rank > wanted.last_rank + wanted.spare then sampled.value end) as high
            from wanted left join sampled using (variant_key)
            group by all
        ),

        counted as (
            select
                variant_key,
                count(case when value < low then 1 end) as n_below,
                count(case when value <= high then 1 end) as n_up_to
            from unit inner join guessed using (variant_key)
            group by variant_key
        ),

        proven as (
            select
                variant_key,
                first_rank,
                last_rank,
                case when n_below < first_rank then low end as low,
                case when n_up_to >= last_rank then high end as high,
                case when n_below < first_rank then n_below else 0 end as n_below
            from guessed inner join counted using (variant_key)
        )

        select variant_key, n_below + row_number() over (partition by variant_key order by value) as rank, value
        from unit inner join proven using (variant_key)
        where (low is null or value >= low) and (high is null or value <= high)
        qualify rank between first_rank and last_rank
        order by variant_key, rank
        """
    ).fetchnumpy()
    return [
        Window(sizes[arm], int(windows[arm].first_rank), np.asarray(rows["value"][rows["variant_key"] == arm]))
        for arm in sorted(sizes)
    ]


def fetch_buckets(connection: duckdb.DuckDBPyConnection) -> NDArray[np.float64]:
    """Fetch totals of the capped value and counts of units per arm and hash bucket, shape (arms, buckets, 2)."""
    rows = connection.execute(
        f"""
        select
            variant_key,
            cast('0x' || substr(md5('experiment ' || unit_id), 1, 8) as bigint) % {BUCKETS} as bucket,
            sum(least(value, {CAP})) as total,
            count(*) as n
        from unit
        group by variant_key, bucket
        """
    ).fetchnumpy()
    totals = np.zeros((2, BUCKETS, 2))
    place = rows["variant_key"].astype(int), rows["bucket"].astype(int)
    totals[(*place, 0)], totals[(*place, 1)] = rows["total"], rows["n"]
    return totals


def measure(units: int, threads: int) -> dict[str, float]:
    """Fetch and infer once.

    Returns
    -------
    dict of str to float
        ``…_seconds`` and ``…_cpu_seconds`` of ``order_statistics`` and ``buckets`` (the queries), ``p99`` and
        ``bootstrap`` (the inference on what they fetched), and ``scan``: the cheaper one of the two queries, which
        either inference has to undercut. The rest are results: ``p99_effect``, ``…_low``, ``…_high``, and the same of
        ``bootstrap``.
    """
    connection = connect(units, threads)
    connection.execute("select sum(value) from unit").fetchall()
    cost = {}
    windows, cost["order_statistics"] = timed(lambda: fetch_windows(connection))
    buckets, cost["buckets"] = timed(lambda: fetch_buckets(connection))
    connection.close()
    # The first call of a function in a process loads and compiles; a programme of experiments pays that once.
    quantile_difference(*windows[0], *windows[0], PROBABILITY)
    bootstrap_difference(buckets[0, :8], buckets[1, :8], draws=9)
    p99, cost["p99"] = timed(lambda: quantile_difference(*windows[0], *windows[1], PROBABILITY))
    bootstrap, cost["bootstrap"] = timed(lambda: bootstrap_difference(buckets[0], buckets[1], draws=DRAWS))
    cost["scan"] = min(cost["order_statistics"], cost["buckets"], key=lambda spent: spent["cpu_seconds"])
    report = {f"{step}_{unit}": value for step, spent in cost.items() for unit, value in spent.items()}
    for name, result in (("p99", p99), ("bootstrap", bootstrap)):
        report |= {
            f"{name}_effect": float(result.effect),
            f"{name}_low": float(result.ci_low),
            f"{name}_high": float(result.ci_high),
        }
    return report


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=int, default=10_000_000, help="both arms together")
    parser.add_argument("--threads", type=int, default=processors, help="of the database")
    arguments = parser.parse_args(argv)
    print(json.dumps(measure(arguments.units, arguments.threads)))


if __name__ == "__main__":
    main()
