"""Whether the daemon works: its state, its faults, how long it is up."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

from prometheus_client.metrics_core import Metric

from phenostream.daemon.health import State
from phenostream.daemon.monitor.metrics.families import counters, gauge, gauges, info
from phenostream.daemon.monitor.reading import MOST_LABELS, number, table

STATES: Final = (*get_args(State), "degraded")


def of_process(status: Mapping[str, Any]) -> Iterator[Metric]:
    """Software, state, faults, uptime."""
    if "version" in status:
        yield from info("build", "The daemon's software.", {"version": status["version"]})
    yield from gauge("uptime_seconds", "Since the daemon began.", number(status, "uptime_s"))
    yield from gauges(
        "state",
        "1 for the state that the daemon is in.",
        "state",
        ((state, status.get("state") == state) for state in STATES),
    )
    open_now, past = table(status, "faults"), table(status, "fault_history")
    names = sorted({*open_now, *past}, key=str)[:MOST_LABELS]
    yield from gauges(
        "fault",
        "Whether a fault is open, of every fault since the daemon began.",
        "fault",
        ((name, name in open_now) for name in names),
    )
    yield from counters(
        "fault_openings",
        "How often a fault opened since the daemon began.",
        ("fault",),
        (((name,), number(past, name, "count") or 0) for name in names),
    )
