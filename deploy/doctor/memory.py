"""Memory: what there is, and whether what the configuration lets the daemon hold fits into it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from phenostream.daemon.config import Config
from phenostream.deploy.doctor.finding import Finding, fail, not_run, ok, warn
from phenostream.deploy.doctor.patient import Patient
from phenostream.deploy.doctor.tree import words

_MIB: Final = 1 << 20
_LEAST_FREE_MIB: Final = 512
"""The daemon itself, with a CPU runtime and the demo bundle, takes about this."""
_COMFORT_MIB: Final = 1024
_COPIES: Final = 2
"""Of a frame in each queue: as it was received, and what is made of it."""


def look(patient: Patient) -> Iterator[Finding]:
    """What is free, and what may be wanted."""
    facts = _facts(patient.root)
    total, free = facts.get("MemTotal"), facts.get("MemAvailable")
    if total is None or free is None:
        yield not_run("memory", "/proc/meminfo does not tell")
        return
    yield _free(total // _MIB, free // _MIB)
    if patient.config is not None:
        yield _budgets(patient.config, total // _MIB)


def held_mib(config: Config) -> int:
    """The most that frames, results and words may hold at once with one source, by their bounds."""
    queued = config.limits.frames_queued * config.ingest.max_frame_bytes * _COPIES
    held = (
        config.ingest.credit_bytes
        + config.ingest.shot_memory_bytes
        + config.results.send_budget_bytes
        + queued
        + (config.summary.memory_bytes if config.summary.is_worded else 0)
    )
    return held // _MIB


def _free(total_mib: int, free_mib: int) -> Finding:
    told = f"{free_mib:,} of {total_mib:,} MiB free"
    figures = {"total_mib": float(total_mib), "free_mib": float(free_mib)}
    if free_mib < _LEAST_FREE_MIB:
        todo = f"free some, {_LEAST_FREE_MIB} MiB or more: the daemon would be ended by the kernel"
        return fail("memory", told, todo, **figures)
    if free_mib < _COMFORT_MIB:
        todo = f"free some, {_COMFORT_MIB:,} MiB or more: see what else runs here"
        return warn("memory", told, todo, **figures)
    return ok("memory", told, **figures)


def _budgets(config: Config, total_mib: int) -> Finding:
    held = held_mib(config)
    told = f"frames, results and words may hold {held:,} MiB at most"
    if held > total_mib:
        return warn(
            "bounds",
            f"{told}, more than the box has",
            "lower ingest.shot_memory_bytes, ingest.credit_bytes, ingest.max_frame_bytes or limits.frames_queued",
            held_mib=held,
        )
    return ok("bounds", told, held_mib=held)


def _facts(root: Path) -> dict[str, int]:
    """/proc/meminfo in bytes."""
    facts = {}
    for line in words(root / "proc/meminfo").splitlines():
        name, _, value = line.partition(":")
        amount, _, unit = value.strip().partition(" ")
        if amount.isdigit():
            facts[name] = int(amount) * (1024 if unit == "kB" else 1)
    return facts
