"""Write measurements as Markdown, and the sections of the page that were measured into the page."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

import duckdb
from processes import BenchmarkError

PAGE = Path(__file__).with_name("page.md")


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Write a median with its smallest and largest value."""
    if len(values) == 1:
        return f"{values[0]:,.{digits}f}"
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Write a Markdown table, the first column to the left and the others to the right."""
    return [
        f"| {' | '.join(header)} |",
        "|" + "|".join(["---", *["---:"] * (len(header) - 1)]) + "|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def machine() -> str:
    """Describe the machine and what runs our side, without names or paths."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        processor = models[0] if models else processor
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"Machine: {os.cpu_count()} cores ({processor}), {memory:.0f} GiB of memory, {platform.system()}. "
        f"Python {platform.python_version()}, DuckDB {duckdb.__version__}, NumPy {metadata.version('numpy')}, "
        f"SciPy {metadata.version('scipy')}."
    )


def _between(text: str, section: str, name: str) -> tuple[str, str, str]:
    """Split a page before, between and after the markers of a section."""
    start, end = f"<!-- {section}: start -->", f"<!-- {section}: end -->"
    if text.count(start) != 1 or text.count(end) != 1:
        raise BenchmarkError(f"{name} must contain {start!r} and {end!r} once each.")
    before, rest = text.split(start)
    inside, after = rest.split(end)
    return before + start, inside, end + after


def write_docs(docs: Path, results: Mapping[str, str], sections: Sequence[str]) -> None:
    """Make the page of `page.md` and the results by section; a section that was not measured keeps what it has."""
    text = PAGE.read_text(encoding="utf-8")
    old = docs.read_text(encoding="utf-8") if docs.exists() else text
    for section in sections:
        before, inside, after = _between(text, section, PAGE.name)
        if section in results:
            inside = f"\n{results[section].strip()}\n"
        else:
            _, inside, _ = _between(old, section, docs.name)
        text = before + inside + after
    docs.parent.mkdir(parents=True, exist_ok=True)
    docs.write_text(text, encoding="utf-8")
