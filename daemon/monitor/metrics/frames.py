"""Frames and cells, by what became of them; runs are never a label.

Fates and cells are those of the ledger, over the life of the journal. What came is counted by the process: an account
takes back what has no fate when a process dies, and Prometheus would take a count that falls for one that began anew.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.metrics_core import Metric

from phenostream.daemon.ledger import CELL_COUNTS, FATES, INCIDENTS
from phenostream.daemon.monitor.metrics.families import counter, counters, gauge
from phenostream.daemon.monitor.reading import number, numbers, rows, table


def of_frames(status: Mapping[str, Any]) -> Iterator[Metric]:
    """Fates, reasons, gaps, messages that became no frame, and open runs."""
    total, came = table(status, "ledger", "total"), table(status, "meters", "arrivals")
    yield from counter(
        "frames_received",
        "Frames whose first part came, since the daemon began.",
        number(came, "received"),
    )
    yield from counters(
        "frames",
        "Frames by what became of them.",
        ("fate",),
        (((fate,), number(total, fate) or 0) for fate in FATES),
    )
    yield from counters(
        "frames_lost",
        "Frames that were not published, by fate and reason.",
        ("fate", "reason"),
        (((fate, reason), n) for fate, reason, n in _reasons(total)),
    )
    yield from gauge(
        "frames_in_flight", "Received, without a fate yet.", number(total, "in_flight")
    )
    yield from gauge(
        "frames_gaps", "Frame numbers below the highest that did not come.", number(total, "gaps")
    )
    yield from counter(
        "frames_missing",
        "Announced, and not received before their run ended.",
        number(total, "missing"),
    )
    yield from counters(
        "messages",
        "Messages that became no frame, by why, since the daemon began.",
        ("why",),
        (((incident,), number(came, incident) or 0) for incident in INCIDENTS),
    )
    runs, ended = table(status, "ledger", "runs"), rows(status, "ledger", "ended")
    yield from gauge(
        "runs_open", "Runs without an END, of the newest 64.", sum(run not in ended for run in runs)
    )


def of_cells(status: Mapping[str, Any]) -> Iterator[Metric]:
    """Cells by what became of them."""
    total = table(status, "ledger", "total")
    yield from counter("cells_found", "Cells that were detected.", number(total, "cells_found"))
    yield from counters(
        "cells",
        "Cells by what became of them; their sum is the found.",
        ("fate",),
        (((fate,), number(total, f"cells_{fate}") or 0) for fate in CELL_COUNTS if fate != "found"),
    )


def of_classes(status: Mapping[str, Any]) -> Iterator[Metric]:
    """What the classified cells of this process were called, and how many were unlike the training cells."""
    told = table(status, "meters", "cells")
    yield from counters(
        "cells_by_class",
        "Classified cells by class, since the daemon began.",
        ("class",),
        (((name,), n) for name, n in numbers(told, "classes")),
    )
    yield from counter(
        "cells_unusual",
        "Classified cells that are unlike the training cells, since the daemon began.",
        number(told, "ood"),
    )


def _reasons(total: Mapping[str, Any]) -> Iterator[tuple[str, str, float]]:
    """Fate, reason and count, from entries ``FATE.REASON``."""
    lost = {key: n for key, n in total.items() if "." in str(key)}
    for key, count in numbers(lost):
        fate, _, reason = key.partition(".")
        yield fate, reason or "other", count
