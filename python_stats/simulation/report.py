"""The calibration as a page: one table per group of studies, verdicts, and why a cell is off its level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import scipy

from python_stats.simulation.bands import FAMILY_ALPHA, margin, verdict
from python_stats.simulation.study import Result
from python_stats.simulation.trials import ALPHA, Tally

# Share of replications without an answer from which on a method is said to refuse.
REFUSING = 0.99

# Offered cells that are listed for their many errors.
CLOSEST = 12

COLUMNS = ("scenario", "method", "type-I error %", "coverage %", "lift coverage %", "power %", "no answer %", "verdict")


HEAD = """# Calibration

How often each method is wrong when it promises {alpha} %. This page is written by `make calibrate`; do not edit it.

Every row draws thousands of experiments from a population whose truth is known, reduces them to what SQL hands over
(moments, cluster totals, rank sums, order statistics, totals of hash buckets) and runs the package's own functions on
them, all replications in one call. A method with the name of an estimator, check or sequential method of the marts
(`difference`, `cuped`, `cluster`, `srm`, `pocock`, ...; `headline` is what the package picks by itself) went through
the code of the dbt models, with its choices and refusals. The others are functions of `python_stats`. The populations
are in `python_stats/simulation/studies/`.

* **Type-I error**: rejections at {alpha} % without an effect, among the replications with a p-value. For families of
  tests: experiments with any false rejection, or the mean share of false ones among the rejections
  (Benjamini-Hochberg, Benjamini-Yekutieli, Storey). For daily looks: experiments rejected on any day.
* **Coverage**: {confidence} % intervals that hold the true effect, with the effect named in the first column; ° without
  an effect, where the truth with one is not known. For daily looks: experiments whose intervals of all days hold it.
  **Lift coverage** likewise.
* **Power**: rejections with that effect. It compares methods only where their errors are alike.
* **No answer**: replications without test and interval (a status in the marts), without and with the effect.
* ± is the Monte-Carlo error, 1.96 standard errors.
* **Verdict**: *holds* when all errors are compatible with {alpha} % by the exact binomial test; *conservative* when
  there are fewer, *liberal* when there are more; *superseded* where the marts mostly have a corrected row beside the
  method's, which then is the headline (the row counts the rest); *contrast* for what the package does not do by
  itself, shown for what it does; *beyond* for populations that no method here promises anything for, with the
  reason; *refuses* where there is no answer in 99 % of the replications or more. The test's level is {family} % over
  the {cells} cells of all offered methods together: one in {runs} runs with methods that all hold would show a false
  verdict. Every liberal row has its reason under the table.

Seed {seed}; NumPy {numpy}, SciPy {scipy}.{share}"""


@dataclass(frozen=True)
class Judged:
    """One row of the table.

    Attributes
    ----------
    result : Result
        The counts.
    verdicts : tuple of str
        Of type-I error, coverage and coverage of the lift: see `bands.verdict`.
    note : str
        The study's explanation of this method, where it is off its level; empty otherwise.
    is_superseded : bool
        Whether most of its answers have a corrected one beside them.
    """

    result: Result
    verdicts: tuple[str, str, str]
    note: str
    is_superseded: bool = False

    @property
    def is_liberal(self) -> bool:
        """Whether any error is more frequent than promised."""
        return "liberal" in self.verdicts

    @property
    def is_contrast(self) -> bool:
        """Whether the method is shown for what goes wrong."""
        return self.result.method in self.result.study.contrast

    @property
    def is_refusing(self) -> bool:
        """Whether it has next to no answer, with and without the effect."""
        return min(self.result.null.refused, self.result.effect.refused) > REFUSING

    @property
    def is_offered(self) -> bool:
        """Whether its errors are ones that the package promises."""
        return not self.is_contrast and not self.result.study.beyond

    @property
    def is_unexplained(self) -> bool:
        """Whether a method that is offered errs more than promised and nothing says why."""
        return self.is_liberal and self.is_offered and not self.note

    @property
    def word(self) -> str:
        """The verdict in a word."""
        if self.is_contrast:
            return "contrast"
        if self.result.study.beyond:
            return "beyond"
        if self.is_superseded and not self.is_liberal:
            return "superseded"
        if set(self.verdicts) == {"none"} or (self.is_refusing and not self.is_liberal):
            return "refuses"
        off = [name for name in ("liberal", "conservative") if name in self.verdicts]
        return off[0] if off else "holds"


def coverage_run(result: Result, field: str) -> Tally:
    """Return the run that coverage is counted in: with an effect where its truth is known, without one otherwise."""
    return result.effect if getattr(result.effect, field) else result.null


def judge(results: Sequence[Result]) -> list[Judged]:
    """Give every row its verdicts, at a level that allows for how many are judged.

    Parameters
    ----------
    results : sequence of Result
        All rows of the table.
    """
    cells = [_cells(result) for result in results]
    level = FAMILY_ALPHA / (2 * max(_offered_cells(results), 1))
    corrections = {(id(one.study), one.method): one.null.answered for one in results}
    rows = []
    for result, row in zip(results, cells, strict=True):
        verdicts = tuple(verdict(errors, trials, ALPHA, level) for errors, trials in row)
        corrected = corrections.get((id(result.study), f"{result.method}_corrected"), 0.0)
        superseded = corrected > result.null.answered
        rows.append(Judged(result, (verdicts[0], verdicts[1], verdicts[2]), _note(result, verdicts), superseded))
    return rows


def _offered_cells(results: Sequence[Result]) -> int:
    """Count the errors that are judged: of contrasts and beyond the promise none are."""
    offered = [one for one in results if one.method not in one.study.contrast and not one.study.beyond]
    return sum(trials > 0 for one in offered for _, trials in _cells(one))


def _note(result: Result, verdicts: Sequence[str]) -> str:
    """Return what the study says about a method that is off its level: about it, or about all that are too liberal."""
    if result.study.beyond:
        return result.study.beyond
    notes = result.study.notes
    if "liberal" in verdicts:
        general = "" if result.method in result.study.contrast else notes.get("*", "")
        return notes.get(result.method, general)
    return notes.get(result.method, "") if "conservative" in verdicts else ""


def _cells(result: Result) -> list[tuple[float, float]]:
    """Errors and trials of type-I error, coverage and coverage of the lift."""
    cells = [(result.null.rejected, result.null.tested)]
    for count, total in (("intervals", "covered"), ("lift_intervals", "lift_covered")):
        tally = coverage_run(result, count)
        cells.append((getattr(tally, count) - getattr(tally, total), getattr(tally, count)))
    return cells


def page(results: Sequence[Result], *, seed: int, scale: float) -> str:
    """Write the whole page.

    Parameters
    ----------
    results : sequence of Result
        All rows, in the order of the studies.
    seed, scale
        As they were run.

    Returns
    -------
    str
        Markdown without dates and durations: the same code and seed give the same page.
    """
    rows = judge(results)
    parts = [_head(rows, seed, scale), _summary(rows), _closest(rows)]
    for group, members in groupby(rows, key=lambda row: row.result.study.group):
        parts.append(_table(group, list(members)))
    return "\n\n".join(parts) + "\n"


def _head(rows: Sequence[Judged], seed: int, scale: float) -> str:
    cells = _offered_cells([row.result for row in rows])
    share = "" if scale == 1 else f" Replications were multiplied by {scale:g}."
    return HEAD.format(
        alpha=f"{100 * ALPHA:g}",
        confidence=f"{100 * (1 - ALPHA):g}",
        family=f"{100 * FAMILY_ALPHA:g}",
        cells=f"{cells:,}",
        runs=f"{1 / FAMILY_ALPHA:.0f}",
        seed=seed,
        numpy=np.__version__,
        scipy=scipy.__version__,
        share=share,
    )


def _summary(rows: Sequence[Judged]) -> str:
    words = ("holds", "conservative", "liberal", "refuses", "superseded", "beyond", "contrast")
    lines = ["## Summary", "", "| group | " + " | ".join(words) + " |", "|---" + "|---:" * len(words) + "|"]
    for group, members in groupby(rows, key=lambda row: row.result.study.group):
        found = [row.word for row in members]
        lines.append(f"| {group} | " + " | ".join(str(found.count(word)) for word in words) + " |")
    found = [row.word for row in rows]
    lines.append("| all | " + " | ".join(str(found.count(word)) for word in words) + " |")
    unexplained = [row for row in rows if row.is_unexplained]
    if unexplained:
        lines += ["", f"**{len(unexplained)} liberal rows without an explanation.**"]
    return "\n".join(lines)


def _closest(rows: Sequence[Judged]) -> str:
    """List the offered cells with the most errors for their Monte-Carlo error."""
    found = []
    for row in rows:
        if row.is_offered and not row.is_refusing:
            for (errors, trials), kind in zip(_cells(row.result), ("type-I error", "coverage", "lift"), strict=True):
                if trials > 0:
                    excess = (errors / trials - ALPHA) / np.sqrt(ALPHA * (1 - ALPHA) / trials)
                    found.append((excess, kind, _share(errors, trials), row.result))
    found.sort(key=lambda one: -one[0])
    # The headline is another method's row once more.
    found = [one for place, one in enumerate(found) if not any(_same(one, other) for other in found[:place])]
    lines = ["Offered cells with the most errors, in standard errors above the promise:", ""]
    lines += ["| standard errors | error | errors % | scenario | method |", "|---:|---|---:|---|---|"]
    for excess, kind, share, result in found[:CLOSEST]:
        scenario = f"{result.study.group}: {result.study.scenario}"
        lines.append(f"| {excess:.1f} | {kind} | {share} | {scenario} | `{result.method}` |")
    return "\n".join(lines)


def _same(one: tuple[float, str, str, Result], other: tuple[float, str, str, Result]) -> bool:
    return one[:3] == other[:3] and one[3].study is other[3].study


def _table(group: str, rows: Sequence[Judged]) -> str:
    lines = [f"## {group}", "", "| " + " | ".join(COLUMNS) + " |", "|---|---|---:|---:|---:|---:|---:|---|"]
    notes: list[str] = []
    for _, members in groupby(rows, key=lambda row: row.result.study.scenario):
        for place, row in enumerate(members):
            lines.append(_line(row, notes, first=place == 0))
    if notes:
        lines += ["", *(f"{number}. {note[0].upper()}{note[1:]}." for number, note in enumerate(notes, start=1))]
    return "\n".join(lines)


def _line(row: Judged, notes: list[str], *, first: bool) -> str:
    result, study = row.result, row.result.study
    null, effect = result.null, result.effect
    scenario = ""
    if first:
        scenario = f"{study.scenario}; effect: {study.effect}; {null.replications:,} replications"
    word = row.word
    if row.note:
        if row.note not in notes:
            notes.append(row.note)
        word += f" ({notes.index(row.note) + 1})"
    if row.is_unexplained:
        word = "**liberal, unexplained**"
    covered, lifted = coverage_run(result, "intervals"), coverage_run(result, "lift_intervals")
    cells = (
        scenario,
        f"`{result.method}`",
        _share(null.rejected, null.tested),
        _share(covered.covered, covered.intervals, "" if covered is effect else "°"),
        _share(lifted.lift_covered, lifted.lift_intervals, "" if lifted is effect else "°"),
        _share(effect.rejected, effect.tested),
        _refused(null, effect),
        word,
    )
    return "| " + " | ".join(cells) + " |"


def _share(hits: float, trials: float, mark: str = "") -> str:
    return f"{100 * hits / trials:.2f} ± {100 * margin(hits, trials):.2f}{mark}" if trials else ""


def _refused(null: Tally, effect: Tally) -> str:
    # A run that only some methods take part in says nothing about the others.
    runs = [run for run in (null, effect) if run.answered or not (null.answered or effect.answered)]
    shares = [100 * run.refused for run in runs]
    return ", ".join(f"{share:.1f}" for share in shares) if any(shares) else "0"
