"""Run a contestant as a process of its own, on the same processors as the others, and say what it cost."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent
PEER_ENVIRONMENTS = HERE / ".venv-peer"
PEER_REQUIREMENTS = {
    "tea-tasting": HERE / "requirements-peer.txt",
    "gbstats": HERE / "requirements-gbstats.txt",
}


class BenchmarkError(RuntimeError):
    """A contestant failed, or two contestants disagree."""


def run_process(
    command: Sequence[str], *, threads: int, environment: dict[str, str] | None = None
) -> tuple[float, float, float, str]:
    """Run a command to its end and return wall seconds, CPU seconds, peak MiB and its standard output."""
    cpus: set[int] = set()
    if hasattr(os, "sched_getaffinity"):
        cpus = set(sorted(os.sched_getaffinity(0))[:threads])

    def pin() -> None:
        # the same processors for everybody, whatever each tool takes for its number of threads
        if cpus:
            os.sched_setaffinity(0, cpus)

    with tempfile.TemporaryFile() as stream:
        started = time.perf_counter()
        process = subprocess.Popen(
            list(command),
            cwd=PROJECT,
            env=os.environ | (environment or {}),
            stdout=stream,
            stderr=subprocess.STDOUT,
            preexec_fn=pin,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        # the process has been waited for here; Popen must not wait again
        process.returncode = os.waitstatus_to_exitcode(status)
        stream.seek(0)
        text = stream.read().decode(errors="replace")
    if process.returncode != 0:
        tail = "\n".join(text.splitlines()[-60:])
        raise BenchmarkError(
            f"{' '.join(Path(word).name for word in command[:3])} ended with code {process.returncode}:\n{tail}"
        )
    kib = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return wall, usage.ru_utime + usage.ru_stime, kib / 1024, text


def peer_python(peer: str) -> Path:
    """Return the Python of a peer's environment, which is made when it is missing or its requirements changed."""
    environment = PEER_ENVIRONMENTS / peer
    python = environment / "bin" / "python"
    stamp = environment / "requirements.txt"
    wanted = PEER_REQUIREMENTS[peer].read_text(encoding="utf-8")
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        print(f"making the environment of {peer}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(environment)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "-r", str(PEER_REQUIREMENTS[peer])], check=True)
        stamp.write_text(wanted, encoding="utf-8")
    return python


def peer_version(peer: str) -> str:
    """Return the version of a peer that its requirements pin."""
    lines = PEER_REQUIREMENTS[peer].read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))[peer]
