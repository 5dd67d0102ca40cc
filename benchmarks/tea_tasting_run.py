"""Analyse a generated file with tea-tasting on DuckDB through Ibis and print its cost and results as one line of JSON.

It runs in an environment of its own (`requirements-peer.txt`) and imports nothing of this project.

tea-tasting wants a table with one row per unit, the variant and every metric and covariate as columns. Its guide hands
such a table to it with `con.create_table`; that is done here once, for all experiments, in Ibis's in-memory DuckDB,
where it need not be compressed or written to disk. Without the table every experiment's analysis runs the query again.

The query behind the table is not part of tea-tasting, so there are two: the one most people would write (`--plain`),
and one as careful as our own floor, with integer keys after one join.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis
import tea_tasting as tt

if TYPE_CHECKING:
    from collections.abc import Sequence

METRICS = ("conversion", "sessions", "revenue")

_TOTALS = ",\n".join(
    f"""coalesce(sum(o.kpi_value) filter (o.kpi_name = '{metric}' and o.metric_date >= a.assigned_on), 0) as {metric},
        coalesce(sum(o.kpi_value) filter (o.kpi_name = '{metric}' and o.metric_date < a.assigned_on), 0)
            as {metric}_covariate"""
    for metric in METRICS
)
_ZERO_FILLED = ", ".join(
    f"coalesce({name}, 0) as {name}" for metric in METRICS for name in (metric, f"{metric}_covariate")
)

_MATURE = """
    select rowid::uinteger as unit, exp_id, unit_id, variant_id as variant, assigned_at::date as assigned_on
    from bench.raw.assignment
    where assigned_at::date + 14 <= (select max(metric_date) + 1 from bench.raw.kpi_outcome)
"""

PLAIN_QUERY = f"""
    with mature as ({_MATURE})

    select a.exp_id, a.unit_id, a.variant, {_TOTALS}
    from mature as a
    left join bench.raw.kpi_outcome as o
        on a.exp_id = o.exp_id
        and a.unit_id = o.unit_id
        and o.metric_date >= a.assigned_on - 14
        and o.metric_date < a.assigned_on + 14
    group by a.exp_id, a.unit_id, a.variant
"""

CAREFUL_QUERY = f"""
    with mature as ({_MATURE}),

    unit_total as (
        select a.unit, {_TOTALS}
        from bench.raw.kpi_outcome as o
        inner join mature as a using (exp_id, unit_id)
        where o.metric_date >= a.assigned_on - 14 and o.metric_date < a.assigned_on + 14
        group by a.unit
    )

    select exp_id, variant, {_ZERO_FILLED}
    from mature
    left join unit_total using (unit)
"""


def analyse(
    database: Path, *, plain: bool = False, threads: int | None = None
) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Analyse the three metrics of every experiment, each with its pre-period total as the CUPED covariate.

    Returns
    -------
    results : list of dict
        A row per experiment and metric: `exp_id, metric_id, effect, p_value`.
    cost : dict of str to float
        `seconds` and `cpu_seconds` from the open connection to the last result, without imports.
    """
    con = ibis.duckdb.connect(**({} if threads is None else {"threads": threads}))
    con.attach(str(database), name="bench", read_only=True)

    started, started_cpu = time.perf_counter(), time.process_time()
    units = con.create_table("unit_table", con.sql(PLAIN_QUERY if plain else CAREFUL_QUERY))
    exp_ids = con.table("experiment", database=("bench", "raw")).exp_id.to_pyarrow().to_pylist()
    experiment = tt.Experiment({metric: tt.Mean(metric, f"{metric}_covariate") for metric in METRICS})
    results = []
    for exp_id in sorted(exp_ids):
        analysis = experiment.analyze(units.filter(units.exp_id == exp_id), control="control")
        results += [
            {"exp_id": exp_id, "metric_id": metric, "effect": row.effect_size, "p_value": row.pvalue}
            for metric, row in analysis.items()
        ]
    return results, {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - started_cpu}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the analysis once, in a process of its own so that its memory can be measured."""
    parser = argparse.ArgumentParser(description="Time tea-tasting.")
    parser.add_argument("database", type=Path)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--plain", action="store_true", help="the query most people would write")
    arguments = parser.parse_args(argv)
    results, cost = analyse(arguments.database, plain=arguments.plain, threads=arguments.threads)
    print(json.dumps(cost | {"rows": results}))


if __name__ == "__main__":
    main()
