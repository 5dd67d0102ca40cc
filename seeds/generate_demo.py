"""Write the demo programme: nine small experiments, each of which shows one phenomenon on purpose.

``python seeds/generate_demo.py`` rewrites the six ``demo_*.csv`` files beside this script, byte for byte the same on
every run with one NumPy version (NumPy may change its random streams between versions). One function per experiment;
its docstring says what happens and what the scorecard should conclude. The seeds in ``PROGRAMME`` were picked so that
every phenomenon stands clear of its threshold.

Outcomes are sparse: a unit without a row has a zero. The running experiment, ``onboarding``, has the newest rows, so
the analysis is made as of ``AS_OF``. The rows in ``BAD_ROWS`` are wrong on purpose and must end in
``experiment_data_issue``.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

AS_OF = np.datetime64("2026-05-25")

EXPERIMENT_COLUMNS = (
    "exp_id", "name", "start_time", "end_time", "unit", "primary_kpi", "hypothesis", "owner", "alpha", "power",
    "planned_units", "min_duration_days", "max_duration_days", "sequential_method", "correction", "cluster_unit",
)  # fmt: skip
VARIANT_COLUMNS = ("exp_id", "variant_id", "traffic_pct", "is_control")
ASSIGNMENT_COLUMNS = ("exp_id", "unit_id", "variant_id", "assigned_at", "cluster_id")
OUTCOME_COLUMNS = ("exp_id", "unit_id", "metric_date", "kpi_name", "kpi_value")
METRIC_COLUMNS = (
    "metric_id", "metric_type", "numerator_kpi", "denominator_kpi", "aggregation", "window_start_day",
    "window_end_day", "threshold", "cap_lower", "cap_upper", "cap_kind", "quantile", "covariate_days", "direction",
    "description",
)  # fmt: skip
PLAN_COLUMNS = (
    "exp_id", "metric_id", "role", "mde", "non_inferiority_margin", "effect_scale", "alternative", "estimator",
)  # fmt: skip

Row = Mapping[str, object]


def metric(metric_id: str, metric_type: str, numerator_kpi: str, description: str, **options: object) -> Row:
    """Describe a metric: a total per unit over the first fourteen days, more is better, unless `options` differ."""
    defaults = {"aggregation": "sum", "window_start_day": 0, "window_end_day": 14, "direction": "increase"}
    named = {"metric_id": metric_id, "metric_type": metric_type, "numerator_kpi": numerator_kpi}
    return {**defaults, **named, "description": description, **options}


METRICS: tuple[Row, ...] = (
    metric("conversion", "proportion", "orders", "Users with at least one order", aggregation="any"),
    metric("orders_per_user", "mean", "orders", "Orders per user"),
    metric("slowest_page_ms", "mean", "page_load_ms", "Each user's slowest page load (ms)", aggregation="max",
           direction="decrease"),
    metric("support_contacts", "mean", "contacts", "Contacts with support per user", direction="decrease"),
    metric("pages_per_user", "mean", "pages", "Pages read per user"),
    metric("signup_rate", "proportion", "signups", "Visitors who sign up within a week", aggregation="any",
           window_end_day=7),
    metric("open_rate", "proportion", "opens", "Users who open at least one notification", aggregation="any"),
    metric("sessions_per_user", "mean", "sessions", "Sessions per user"),
    metric("unsubscribe_rate", "proportion", "unsubscribes", "Users who switch notifications off", aggregation="any",
           direction="decrease"),
    metric("search_ctr", "ratio", "clicks", "Clicks per search", denominator_kpi="searches", covariate_days=14),
    metric("searches_per_user", "mean", "searches", "Searches per user", covariate_days=14),
    metric("revenue", "mean", "revenue", "Revenue per user, as it comes"),
    metric("revenue_capped", "mean", "revenue", "Revenue per user, capped at the 99th percentile of all users",
           cap_upper=0.99, cap_kind="percentile"),
    metric("revenue_capped_buyers", "mean", "revenue", "Revenue per user, capped at the 99th percentile of buyers",
           cap_upper=0.99, cap_kind="percentile_nonzero"),
    metric("revenue_capped_200", "mean", "revenue", "Revenue per user, capped at 200", cap_upper=200,
           cap_kind="fixed"),
    metric("activation", "proportion", "lessons", "Users who finish a lesson", aggregation="any"),
    metric("week2_retention", "retention", "lessons", "Users who finish a lesson in their second week",
           aggregation="any", window_start_day=7),
    metric("upgraded", "proportion", "upgrades", "Users who have upgraded by now", aggregation="any",
           window_end_day=None),
)  # fmt: skip


@dataclass(frozen=True)
class Units:
    """The assigned units of one experiment, in order of arrival; `arm` indexes the variants, 0 is the control."""

    unit_id: npt.NDArray[np.str_]
    arm: npt.NDArray[np.int64]
    assigned_at: npt.NDArray[np.datetime64]
    cluster_id: npt.NDArray[np.str_]

    @property
    def n(self) -> int:
        """Number of units."""
        return len(self.unit_id)

    def keep(self, mask: npt.NDArray[np.bool_]) -> Units:
        """Return the units for which `mask` is true."""
        return Units(self.unit_id[mask], self.arm[mask], self.assigned_at[mask], self.cluster_id[mask])


@dataclass
class Experiment:
    """One experiment: its design, its analysis plan, its units and what they did."""

    design: Row
    traffic: Mapping[str, float]
    plan: Sequence[Row]
    units: Units
    outcomes: list[Row] = field(default_factory=list)

    def record(self, kpi_name: str, day: npt.ArrayLike, value: npt.ArrayLike) -> None:
        """Write one outcome row for each unit with a non-zero `value`, `day` days after its assignment."""
        days = np.broadcast_to(day, self.units.n)
        values = np.broadcast_to(value, self.units.n)
        dates = self.units.assigned_at.astype("datetime64[D]") + days
        for i in np.flatnonzero((values != 0) & (dates < AS_OF)):
            self.outcomes.append({
                "unit_id": self.units.unit_id[i], "metric_date": dates[i], "kpi_name": kpi_name,
                "kpi_value": values[i],
            })  # fmt: skip


def design(exp_id: str, name: str, start: str, primary_kpi: str, **options: object) -> Row:
    """Describe an experiment that runs for four weeks unless `options` differ."""
    start_time = np.datetime64(start, "s")
    defaults = {
        "end_time": start_time + np.timedelta64(28, "D"), "unit": "user", "alpha": 0.05, "power": 0.8,
        "min_duration_days": 14, "max_duration_days": 28,
    }  # fmt: skip
    return {"exp_id": exp_id, "name": name, "start_time": start_time, "primary_kpi": primary_kpi, **defaults, **options}


def planned(metric_id: str, role: str, **options: object) -> Row:
    """Describe one line of an analysis plan: a relative, two-sided comparison unless `options` differ."""
    return {"metric_id": metric_id, "role": role, "effect_scale": "relative", "alternative": "two_sided", **options}


def enrol(rng: np.random.Generator, start: str, days: int, n: int, shares: Sequence[float] = (0.5, 0.5)) -> Units:
    """Let `n` units arrive evenly over the first `days` days and assign them at random by `shares`."""
    seconds = np.sort(rng.integers(0, days * 86_400, n))
    unit_id = np.array([f"u{i}" for i in range(1, n + 1)])
    arm = rng.choice(len(shares), n, p=shares)
    return Units(unit_id, arm, np.datetime64(start, "s") + seconds, np.full(n, ""))


def checkout_v2(rng: np.random.Generator) -> Experiment:
    """Show a clear win: conversion rises from 40 to 56 %, far beyond the MDE of 20 %, and no guardrail suffers.

    Page load times are the same in both arms and support contacts fall, so both guardrails are non-inferior. Decision:
    ``ship``.
    """
    experiment = Experiment(
        design("checkout_v2", "One-page checkout", "2026-03-02", "orders", owner="payments", planned_units=1500,
               hypothesis="A checkout on a single page loses fewer users before the order"),
        {"control": 0.5, "treatment": 0.5},
        [planned("conversion", "primary", mde=0.2),
         planned("slowest_page_ms", "guardrail", non_inferiority_margin=0.1),
         planned("support_contacts", "guardrail", non_inferiority_margin=0.2)],
        enrol(rng, "2026-03-02", 14, 1600),
    )  # fmt: skip
    n, treated = experiment.units.n, experiment.units.arm == 1
    experiment.record("orders", rng.integers(0, 14, n), rng.binomial(1, np.where(treated, 0.56, 0.40)))
    experiment.record("contacts", rng.integers(0, 14, n), rng.poisson(np.where(treated, 0.5, 0.6)))
    experiment.record("page_load_ms", rng.integers(0, 14, n), np.rint(rng.lognormal(np.log(1100), 0.25, n)))
    return experiment


def font_size(rng: np.random.Generator) -> Experiment:
    """Show an effect that is significant but not practical: 2.5 % more pages, and less than 6 % is not worth it.

    Users differ little (a coefficient of variation of 10 %), so a small effect is measured sharply and the whole
    interval lies below the MDE. Decision: ``not_practical``.
    """
    experiment = Experiment(
        design("font_size", "Larger body text", "2026-03-09", "pages", owner="reading", planned_units=1000,
               hypothesis="Larger text is read longer"),
        {"control": 0.5, "treatment": 0.5},
        [planned("pages_per_user", "primary", mde=0.06)],
        enrol(rng, "2026-03-09", 14, 1200),
    )  # fmt: skip
    n, treated = experiment.units.n, experiment.units.arm == 1
    pages = np.rint(rng.normal(np.where(treated, 41, 40), 4)).astype(int)
    second_week = rng.binomial(1, 0.5, n) * rng.binomial(pages, 0.4)
    experiment.record("pages", rng.integers(0, 7, n), pages - second_week)
    experiment.record("pages", rng.integers(7, 14, n), second_week)
    return experiment


def signup_form(rng: np.random.Generator) -> Experiment:
    """Show a sample ratio mismatch: of a planned 50/50 split, a quarter of the treatment never reaches the log.

    The new form redirects, and visitors who would have left are lost before they are counted. Those who remain sign
    up more often, so the treatment looks like a win that it is not. Decision: ``invalid``.
    """
    enrolled = enrol(rng, "2026-03-16", 14, 1800)
    signs_up = rng.binomial(1, 0.30, enrolled.n)
    lost = rng.binomial(1, np.where(enrolled.arm == 1, 0.36 * (1 - signs_up), 0)) == 1
    experiment = Experiment(
        design("signup_form", "Short sign-up form", "2026-03-16", "signups", owner="growth", planned_units=1500,
               hypothesis="Three fields instead of seven bring more sign-ups"),
        {"control": 0.5, "treatment": 0.5},
        [planned("signup_rate", "primary", mde=0.2)],
        enrolled.keep(~lost),
    )  # fmt: skip
    n = experiment.units.n
    experiment.record("signups", rng.integers(0, 7, n), signs_up[~lost])
    return experiment


def push_digest(rng: np.random.Generator) -> Experiment:
    """Show a win that must not ship: the open rate rises from 40 to 54 %, unsubscribes more than double.

    Unsubscribes go from 6 to 14 %, far beyond the margin of two percentage points (an absolute margin). The other
    guardrail, sessions, is unharmed. Decision: ``do_not_ship``.
    """
    experiment = Experiment(
        design("push_digest", "Daily digest notification", "2026-03-23", "opens", owner="messaging",
               planned_units=1400, hypothesis="A daily digest brings users back"),
        {"control": 0.5, "treatment": 0.5},
        [planned("open_rate", "primary", mde=0.2),
         planned("unsubscribe_rate", "guardrail", non_inferiority_margin=0.02, effect_scale="absolute"),
         planned("sessions_per_user", "guardrail", non_inferiority_margin=0.1)],
        enrol(rng, "2026-03-23", 14, 1500),
    )  # fmt: skip
    n, treated = experiment.units.n, experiment.units.arm == 1
    experiment.record("opens", rng.integers(0, 14, n), rng.binomial(1, np.where(treated, 0.54, 0.40)))
    experiment.record("unsubscribes", rng.integers(0, 14, n), rng.binomial(1, np.where(treated, 0.14, 0.06)))
    experiment.record("sessions", rng.integers(0, 14, n), np.rint(np.maximum(rng.normal(20, 6, n), 1)))
    return experiment


def market_promo(rng: np.random.Generator) -> Experiment:
    """Show sixteen markets without an effect: the rows look decisive, the markets do not.

    Whole markets are assigned and differ widely in orders per user, so users of one market are far from independent. A
    test on rows finds p < 0.001; a test on markets, the unit of randomisation, finds nothing. Decision:
    ``inconclusive``.
    """
    size = rng.permutation(np.repeat([72, 76, 80, 84], 4))
    arm = rng.permutation(np.repeat([0, 1], 8))
    orders_per_user = 1.1 * np.exp(rng.normal(0, 0.5, 16))
    market = rng.permutation(np.repeat(np.arange(16), size))
    arrived = enrol(rng, "2026-04-06", 14, len(market))
    cluster_id = np.array([f"m{i}" for i in range(1, 17)])[market]
    experiment = Experiment(
        design("market_promo", "Regional promotion", "2026-04-06", "orders", owner="marketing", planned_units=1200,
               hypothesis="A local promotion raises orders", cluster_unit="market"),
        {"control": 0.5, "treatment": 0.5},
        [planned("orders_per_user", "primary", mde=0.15), planned("conversion", "secondary")],
        Units(arrived.unit_id, arm[market], arrived.assigned_at, cluster_id),
    )  # fmt: skip
    n = experiment.units.n
    experiment.record("orders", rng.integers(0, 14, n), rng.poisson(orders_per_user[market]))
    return experiment


def search_rank(rng: np.random.Generator) -> Experiment:
    """Show a ratio of totals whose effect only the pre-period reveals: about 9 % more clicks per search.

    Users search from a few to a hundred times and click at very different, stable rates. Without a covariate the
    result is not significant; with the two weeks before assignment (CUPED) over 80 % of the variance go and it is,
    clearly. The control is named ``baseline``. Decision: ``ship``.
    """
    experiment = Experiment(
        design("search_rank", "Embedding-based ranking", "2026-03-30", "clicks", owner="search", planned_units=900,
               hypothesis="A new embedding model improves search click-through"),
        {"baseline": 0.5, "embeddings": 0.5},
        [planned("search_ctr", "primary", mde=0.04, estimator="cuped"),
         planned("searches_per_user", "guardrail", non_inferiority_margin=0.1, estimator="cuped")],
        enrol(rng, "2026-03-30", 14, 1000),
    )  # fmt: skip
    n, treated = experiment.units.n, experiment.units.arm == 1
    habit = rng.gamma(6, 10, n)
    click_rate = rng.beta(1.6, 3, n)
    for first_day, effect in ((-14, 0.0), (0, 0.0315)):
        searches = rng.poisson(habit)
        day = first_day + rng.integers(0, 14, n)
        experiment.record("searches", day, searches)
        experiment.record("clicks", day, rng.binomial(searches, np.minimum(click_rate + effect * treated, 1)))
    return experiment


def free_shipping(rng: np.random.Generator) -> Experiment:
    """Show a heavy tail: one buyer in the control spends 60,000 and hides a gain of about a third.

    The mean as it comes points down and says nothing; with the largest values capped, at one threshold for both arms,
    the gain is plain. Three kinds of cap stand side by side, the first of them is the plan. Decision: ``ship``.
    """
    experiment = Experiment(
        design("free_shipping", "Free shipping from 30", "2026-04-13", "revenue", owner="pricing", planned_units=1500,
               hypothesis="Free shipping above a threshold makes baskets larger"),
        {"control": 0.5, "treatment": 0.5},
        [planned("revenue_capped", "primary", mde=0.15),
         planned("revenue", "secondary"),
         planned("revenue_capped_buyers", "exploratory"),
         planned("revenue_capped_200", "exploratory")],
        enrol(rng, "2026-04-13", 14, 1600),
    )  # fmt: skip
    n, treated = experiment.units.n, experiment.units.arm == 1
    basket = rng.lognormal(np.log(np.where(treated, 54, 40)), 0.5)
    revenue = rng.binomial(1, 0.7, n) * np.round(basket, 2)
    revenue[np.flatnonzero(~treated)[100]] = 60_000
    experiment.record("revenue", rng.integers(0, 14, n), revenue)
    return experiment


def onboarding(rng: np.random.Generator) -> Experiment:
    """Show an experiment that still runs: 1,260 of 3,000 planned users, eight of 21 daily cohorts mature.

    About sixty users a day since 4 May; the window of fourteen days has closed for those of the first eight days. The
    plan looks repeatedly (O'Brien-Fleming) and no boundary is near. Upgrades are read through an open window: never
    mature, whatever has happened so far. Decision: ``keep_running``.
    """
    experiment = Experiment(
        design("onboarding", "Guided first lesson", "2026-05-04", "lessons", owner="onboarding", end_time=None,
               planned_units=3000, max_duration_days=84, sequential_method="obrien_fleming",
               hypothesis="A guided first lesson activates more new users"),
        {"control": 0.5, "treatment": 0.5},
        [planned("activation", "primary", mde=0.1),
         planned("week2_retention", "secondary"),
         planned("upgraded", "exploratory")],
        enrol(rng, "2026-05-04", 21, 1260),
    )  # fmt: skip
    n, treated = experiment.units.n, experiment.units.arm == 1
    keenness = rng.gamma(1.2, np.where(treated, 0.27, 0.25))
    for day in range(21):
        active = rng.random(n) < keenness * (day + 1.0) ** -0.6
        experiment.record("lessons", day, active * (1 + rng.poisson(0.5, n)))
    experiment.record("upgrades", rng.geometric(0.02, n) - 1, 1)
    return experiment


def price_page(rng: np.random.Generator) -> Experiment:
    """Show three arms on unequal traffic (40/30/30 percent): the video sells, the badge does nothing.

    Conversion is 30 % in the control and with the badge, 45 % with the video; significance is corrected for two
    comparisons. Decisions: ``ship`` for ``video``, ``inconclusive`` for ``badge``.
    """
    experiment = Experiment(
        design("price_page", "Price page with a badge or a video", "2026-04-20", "orders", owner="pricing",
               planned_units=1700, hypothesis="Showing the product on the price page sells more plans"),
        {"control": 40, "badge": 30, "video": 30},
        [planned("conversion", "primary", mde=0.25)],
        enrol(rng, "2026-04-20", 14, 1800, (0.4, 0.3, 0.3)),
    )  # fmt: skip
    n = experiment.units.n
    bought = rng.binomial(1, np.array([0.30, 0.30, 0.45])[experiment.units.arm])
    experiment.record("orders", rng.integers(0, 14, n), bought)
    return experiment


PROGRAMME: dict[Callable[[np.random.Generator], Experiment], int] = {
    checkout_v2: 79,
    font_size: 2,
    signup_form: 3,
    push_digest: 164,
    market_promo: 28,
    search_rank: 55,
    free_shipping: 6,
    onboarding: 113,
    price_page: 33,
}


class BadRow(NamedTuple):
    """A row that is wrong on purpose, and the reason code it should get."""

    table: str
    reason: str
    values: tuple[str, ...]


# One line per row that is wrong on purpose: what a broken log really holds. A repeat copies a row of the programme as
# seeded above; a unit in two variants has all its rows of that experiment reported, not only the one added here.
BAD_ROWS: tuple[BadRow, ...] = (
    BadRow("assignment", "unknown_experiment", ("old_banner", "u1", "control", "2026-03-03 10:00:00", "")),
    BadRow("assignment", "unknown_variant", ("checkout_v2", "u9001", "treatmnet", "2026-03-05 11:20:00", "")),
    BadRow("assignment", "null_key", ("signup_form", "", "control", "2026-03-18 09:30:00", "")),
    BadRow("assignment", "assigned_outside_experiment",
           ("free_shipping", "u9003", "control", "2026-03-30 08:00:00", "")),
    BadRow("assignment", "duplicate_assignment", ("search_rank", "u200", "embeddings", "2026-04-03 12:00:00", "")),
    BadRow("assignment", "multiple_variants", ("price_page", "u104", "control", "2026-04-22 18:05:00", "")),
    BadRow("assignment", "multiple_variants", ("price_page", "u903", "video", "2026-04-28 07:45:00", "")),
    BadRow("kpi_outcome", "unknown_experiment", ("old_banner", "u1", "2026-03-04", "orders", "1")),
    BadRow("kpi_outcome", "unassigned_unit", ("checkout_v2", "u9002", "2026-03-06", "orders", "1")),
    BadRow("kpi_outcome", "null_key", ("push_digest", "", "2026-03-30", "opens", "1")),
    BadRow("kpi_outcome", "non_finite_value", ("font_size", "u331", "2026-03-20", "pages", "NaN")),
    BadRow("kpi_outcome", "non_finite_value", ("free_shipping", "u40", "2026-04-15", "revenue", "Infinity")),
    BadRow("kpi_outcome", "non_finite_value", ("market_promo", "u10", "2026-04-15", "orders", "")),
    BadRow("kpi_outcome", "duplicate_outcome", ("search_rank", "u202", "2026-04-03", "searches", "30")),
    BadRow("kpi_outcome", "future_outcome", ("onboarding", "u5", "2099-01-01", "lessons", "1")),
)  # fmt: skip


def text(value: object) -> str:
    """Write a value as the CSV holds it: no needless digits, empty for null, times to the second."""
    if value is None:
        return ""
    if isinstance(value, np.datetime64):
        return str(value).replace("T", " ")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float | np.floating):
        return f"{value:.4f}".rstrip("0").rstrip(".")
    return str(value)


def lines(columns: Sequence[str], rows: Iterable[Row]) -> list[tuple[str, ...]]:
    """Return the rows as tuples of text in the order of `columns`; a missing column is null."""
    return [tuple(text(row.get(column)) for column in columns) for row in rows]


def tables() -> dict[str, tuple[Sequence[str], list[tuple[str, ...]]]]:
    """Build every table: its columns and its rows as text, bad rows included, in the order of a log."""
    experiments, variants, assignments, outcomes, plans = [], [], [], [], []
    for build, seed in PROGRAMME.items():
        experiment = build(np.random.default_rng(seed))
        key = {"exp_id": experiment.design["exp_id"]}
        names = list(experiment.traffic)
        units = experiment.units
        experiments.append(experiment.design)
        variants += [
            {**key, "variant_id": name, "traffic_pct": share, "is_control": name == names[0]}
            for name, share in experiment.traffic.items()
        ]
        assignments += [
            {**key, "unit_id": unit, "variant_id": names[arm], "assigned_at": at, "cluster_id": cluster}
            for unit, arm, at, cluster in zip(
                units.unit_id, units.arm, units.assigned_at, units.cluster_id, strict=True
            )
        ]
        outcomes += [{**key, **row} for row in experiment.outcomes]
        plans += [{**key, **row} for row in experiment.plan]

    bad = {name: [row.values for row in BAD_ROWS if row.table == name] for name in ("assignment", "kpi_outcome")}
    assigned = lines(ASSIGNMENT_COLUMNS, assignments) + bad["assignment"]
    happened = lines(OUTCOME_COLUMNS, outcomes) + bad["kpi_outcome"]
    return {
        "experiment": (EXPERIMENT_COLUMNS, lines(EXPERIMENT_COLUMNS, experiments)),
        "variant": (VARIANT_COLUMNS, lines(VARIANT_COLUMNS, variants)),
        "assignment": (ASSIGNMENT_COLUMNS, sorted(assigned, key=lambda row: (row[0], row[3], len(row[1]), row))),
        "kpi_outcome": (OUTCOME_COLUMNS, sorted(happened, key=lambda row: (row[0], row[2], len(row[1]), row))),
        "metric": (METRIC_COLUMNS, lines(METRIC_COLUMNS, METRICS)),
        "experiment_metric": (PLAN_COLUMNS, lines(PLAN_COLUMNS, plans)),
    }


def main() -> None:
    """Write the six CSV files beside this script."""
    for name, (columns, rows) in tables().items():
        path = Path(__file__).with_name(f"demo_{name}.csv")
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([columns, *rows])


if __name__ == "__main__":
    main()
