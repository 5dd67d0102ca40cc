"""Write the four core input tables of a synthetic programme of experiments into a DuckDB file.

Everything is computed inside DuckDB from hashes of (seed, unit, day), so the data are a function of the arguments, need
no memory beyond DuckDB's own, and do not depend on the number of threads. The hash is DuckDB's: another DuckDB version
may give other (equally good) data.

What the data look like, and why
--------------------------------
* A row of `assignment` is a unit of one experiment. One unit in twenty is in two experiments, so that a query which
  joins on `unit_id` alone is wrong, as it would be on real data.
* Assignments fall in the first half of the experiment, one in twenty in the second half: most 14-day windows are closed
  on the last day, not all.
* `kpi_outcome` is sparse (zero = no row). A fifth of the units never have a row. Activity differs by unit and lasts, so
  the pre-period predicts the outcome. `conversion` happens at most once after assignment, `sessions` is a count,
  `revenue` is skewed. Rows run over the whole calendar for every unit: some lie in the pre-period, some in the window,
  some in neither.
* Rows arrive by date and, within a date, in no useful order, as a fact table arrives.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

if TYPE_CHECKING:
    from collections.abc import Sequence

FIRST_DAY = "date '2025-03-03'"

CONVERSION_ROW_SHARE = 0.015
REVENUE_PER_SESSION_ROW = 0.35
INACTIVE_SHARE = 0.2
LATE_SHARE = 0.05


def _unit_sql(*, units: int, rows: int, experiments: int, days: int, pre_days: int) -> str:
    """Return the query for one row per unit of an experiment, with everything that does not change from day to day.

    Raises
    ------
    ValueError
        If so many rows do not fit into units x days x kpis.
    """
    rows_per_unit = rows / units
    conversions = min(CONVERSION_ROW_SHARE * rows_per_unit, 0.5)
    session_rows = (rows_per_unit - conversions) / (1 + REVENUE_PER_SESSION_ROW)
    mean_activity = session_rows / (pre_days + days) / (1 - INACTIVE_SHARE)
    # 2.5·u^1.5 has mean 1 for u uniform; its largest value must stay a probability even under the largest lift
    largest_activity = 2.5 * mean_activity * 1.03
    if largest_activity > 1:
        raise ValueError(
            f"{rows} rows are too many for {units} units and {pre_days + days} days: "
            f"at most about {int(rows / largest_activity)} fit."
        )
    converts = conversions / 2 / (1 - INACTIVE_SHARE)
    half = max(days // 2, 1)
    in_two_experiments = "i % 20 = 19" if experiments > 1 else "false"
    return f"""
        with drawn as (
            select
                i,
                (i + i // 20) % {experiments} as e,
                case when {in_two_experiments} then i - 1 else i end as unit_number,
                uniform(1, i, 0) < 0.5 as is_treated,
                uniform(2, i, 0) < {INACTIVE_SHARE} as is_inactive,
                case when uniform(3, i, 0) < {LATE_SHARE}
                    then {half} + floor(uniform(4, i, 0) * {max(days - half, 1)})
                    else floor(uniform(4, i, 0) * {half})
                end::integer as assigned_day,
                exp(0.6 * normal(5, i, 0)) as basket
            from range({units}) as t(i)
        ),

        -- three experiments in four have an effect, from 1 to 3 percent
        treated as (
            select *, case when is_treated then 1 + 0.01 * (e % 4) else 1.0 end as lift
            from drawn
        )

        select
            i,
            exp_id_of(e) as exp_id,
            'u' || lpad(unit_number::varchar, 10, '0') as unit_id,
            case when is_treated then 'treatment' else 'control' end as variant_id,
            assigned_day,
            basket,
            case when is_inactive then 0.0
                else {2.5 * mean_activity!r} * pow(uniform(6, i, 0), 1.5)
            end as activity,
            activity * lift as activity_after,
            case when not is_inactive and uniform(7, i, 0) < {converts!r}
                then assigned_day - 1 - floor(uniform(8, i, 0) * {max(pre_days, 1)})::integer
            end as converted_before_day,
            case when not is_inactive and uniform(9, i, 0) < {converts!r} * lift
                then assigned_day + floor(uniform(10, i, 0) * ({days} - assigned_day))::integer
            end as converted_day
        from treated
    """


def _outcome_sql(day: int) -> str:
    """Return the query for the outcome rows of one day, in an order that has nothing to do with the units'."""
    return f"""
        with session as (
            select *
            from unit
            where uniform(11, i, {day}) < case when {day} < assigned_day then activity else activity_after end
        ),

        outcome as (
            select i, exp_id, unit_id, 'conversion' as kpi_name, 1.0::double as kpi_value
            from unit
            where {day} in (converted_before_day, converted_day)
            union all
            select i, exp_id, unit_id, 'sessions', 1 + floor(-1.2 * ln(1 - uniform(12, i, {day})))
            from session
            union all
            select i, exp_id, unit_id, 'revenue', round(12 * basket * exp(0.8 * normal(13, i, {day})), 2)
            from session
            where uniform(14, i, {day}) < {REVENUE_PER_SESSION_ROW}
        )

        select exp_id, unit_id, {FIRST_DAY} + ({day}) as metric_date, kpi_name, kpi_value
        from outcome
        order by hash(i, {day}, kpi_name)
    """


def generate(
    out: Path,
    *,
    units: int = 2_000_000,
    rows: int = 30_000_000,
    experiments: int = 10,
    days: int = 28,
    pre_days: int = 14,
    seed: int = 1,
    threads: int | None = None,
) -> dict[str, int]:
    """Write `raw.experiment`, `raw.variant`, `raw.assignment` and `raw.kpi_outcome`, replacing the file.

    Parameters
    ----------
    out
        The DuckDB file.
    units
        Rows of `assignment`, over all experiments.
    rows
        Expected rows of `kpi_outcome`; the actual number differs by chance (by about 0.1 % at a million rows).
    experiments
        Experiments, each with a control and a treatment of equal traffic.
    days
        Days from the start to the end of every experiment.
    pre_days
        Days before the start on which outcomes exist.
    seed
        Another seed is another draw of everything.
    threads
        DuckDB threads; its default when None. The data do not depend on it.

    Returns
    -------
    dict of str to int
        Rows written, by table.
    """
    for name, value in {"units": units, "rows": rows, "experiments": experiments, "days": days}.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}.")
    if pre_days < 0:
        raise ValueError(f"pre_days must not be negative, not {pre_days}.")
    if pre_days + days > 4096:
        raise ValueError(f"pre_days + days must be at most 4096, not {pre_days + days}.")
    unit_sql = _unit_sql(units=units, rows=rows, experiments=experiments, days=days, pre_days=pre_days)

    out.parent.mkdir(parents=True, exist_ok=True)
    out.unlink(missing_ok=True)
    out.with_name(out.name + ".wal").unlink(missing_ok=True)
    with duckdb.connect(str(out), config={} if threads is None else {"threads": threads}) as con:
        # An independent number in [0, 1) for every (salt, unit, day). The three are packed into one integer because the
        # hash of several arguments combines them too weakly: uniforms of two salts are almost equal then.
        seed_mask = (seed * 0x9E3779B97F4A7C15) % 2**63
        con.execute(
            f"""
            create temporary macro uniform(salt, i, day) as
            (hash(xor(i::bigint * 1048576 + salt * 4096 + day + {pre_days}, {seed_mask})) >> 11)::double
            / 9007199254740992.0
            """
        )
        con.execute(
            """
            create temporary macro normal(salt, i, day) as
            sqrt(-2 * ln(1 - uniform(salt, i, day))) * cos(6.283185307179586 * uniform(salt + 100, i, day))
            """
        )
        con.execute("create temporary macro exp_id_of(e) as 'exp_' || lpad((e + 1)::varchar, 3, '0')")
        con.execute("create schema raw")
        con.execute(
            f"""
            create table raw.experiment as
            select
                exp_id_of(e) as exp_id,
                'Synthetic experiment ' || (e + 1) as name,
                {FIRST_DAY}::timestamp as start_time,
                ({FIRST_DAY} + {days})::timestamp as end_time,
                'user' as unit,
                'conversion' as primary_kpi
            from range({experiments}) as t(e)
            """
        )
        con.execute(
            """
            create table raw.variant as
            select exp_id, variant_id, 0.5::double as traffic_pct
            from raw.experiment, (values ('control'), ('treatment')) as v(variant_id)
            order by exp_id, variant_id
            """
        )
        con.execute(f"create temporary table unit as {unit_sql}")
        con.execute(
            f"""
            create table raw.assignment as
            select
                exp_id,
                unit_id,
                variant_id,
                {FIRST_DAY} + to_seconds(86400 * assigned_day + floor(86400 * uniform(15, i, 0))::integer)
                    as assigned_at
            from unit
            order by assigned_at, i
            """
        )
        con.execute(
            """
            create table raw.kpi_outcome (
                exp_id varchar, unit_id varchar, metric_date date, kpi_name varchar, kpi_value double
            )
            """
        )
        # one insert a day: the order of arrival, and memory that does not grow with the rows
        for day in range(-pre_days, days):
            con.execute(f"insert into raw.kpi_outcome {_outcome_sql(day)}")
        con.execute("checkpoint")
        tables = ("experiment", "variant", "assignment", "kpi_outcome")
        counts = {table: con.execute(f"select count(*) from raw.{table}").fetchone() for table in tables}
    return {table: int(row[0]) for table, row in counts.items() if row is not None}


def main(argv: Sequence[str] | None = None) -> None:
    """Generate the file that the command line describes and say what is in it."""
    parser = argparse.ArgumentParser(description="Write synthetic experiments into a DuckDB file (schema raw).")
    parser.add_argument("--units", type=int, default=2_000_000)
    parser.add_argument("--rows", type=int, default=30_000_000, help="expected rows of kpi_outcome")
    parser.add_argument("--experiments", type=int, default=10)
    parser.add_argument("--days", type=int, default=28)
    parser.add_argument("--pre-days", type=int, default=14)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=None)
    arguments = parser.parse_args(argv)

    started = time.perf_counter()
    counts = generate(**vars(arguments))
    size = arguments.out.stat().st_size / 2**20
    print(", ".join(f"{table}: {count:,}" for table, count in counts.items()))
    print(f"{size:,.0f} MiB in {time.perf_counter() - started:.1f} s")


if __name__ == "__main__":
    main()
