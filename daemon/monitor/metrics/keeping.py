"""What the daemon holds: queues, shots that wait, the journal, the quarantine."""

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.metrics_core import Metric

from phenostream.daemon.monitor.metrics.families import counter, gauge, gauges
from phenostream.daemon.monitor.reading import number, numbers, rows, table


def of_keeping(status: Mapping[str, Any]) -> Iterator[Metric]:
    """Lengths, offsets and counts."""
    yield from gauges(
        "queue_length",
        "What waits between two stages: frames, batches of cells, entries to commit.",
        "queue",
        numbers(status, "queues"),
    )
    yield from gauge(
        "assembling_frames", "Frames that wait for shots.", number(status, "assembling", "frames")
    )
    yield from gauge("assembling_bytes", "What these hold.", number(status, "assembling", "bytes"))
    yield from gauge(
        "journal_oldest_offset", "Oldest record that is kept.", number(status, "journal", "oldest")
    )
    yield from gauge(
        "journal_newest_offset", "Newest durable record.", number(status, "journal", "newest")
    )
    yield from gauge(
        "journal_losses",
        "Places where records of the journal are lost for good.",
        len(rows(status, "journal", "losses")),
    )
    disk = table(status, "disk")
    for what, meaning in (("free", "Free for the daemon."), ("size", "All there is.")):
        room = ((folder, number(disk, folder, f"{what}_bytes")) for folder in disk)
        yield from gauges(
            f"disk_{what}_bytes",
            f"Of the file system with the folder. {meaning}",
            "folder",
            ((folder, n) for folder, n in room if n is not None),
        )
    yield from gauge(
        "quarantine_frames", "Frames that are kept there.", number(status, "quarantine", "held")
    )
    yield from counter(
        "quarantine_removed",
        "Frames that gave way to newer ones.",
        number(status, "quarantine", "removed"),
    )
    yield from counter(
        "quarantine_not_kept",
        "Frames that could not be kept.",
        number(status, "quarantine", "not_kept"),
    )
