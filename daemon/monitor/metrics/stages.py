"""Where frames spend their time, waiting and computing apart; what the disk takes; what sources may still send."""

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.metrics_core import Metric

from phenostream.daemon.monitor.metrics.families import counter, gauge, histograms
from phenostream.daemon.monitor.reading import number, table


def of_stages(status: Mapping[str, Any]) -> Iterator[Metric]:
    """Since the daemon began, but for credit, which is as it is now."""
    meters = table(status, "meters")
    stages, commit, credit = (table(meters, key) for key in ("stages", "commit", "credit"))
    yield from histograms(
        "stage_seconds",
        "Of a published frame in a stage: queue and wait for its turn, prepare, infer, commit; total.",
        ("stage",),
        (((name,), table(stages, name)) for name in stages),
    )
    yield from histograms(
        "journal_sync_seconds", "Of one fdatasync.", (), [((), table(commit, "fdatasync"))]
    )
    yield from counter(
        "journal_records", "Records that were made durable.", number(commit, "records")
    )
    yield from counter(
        "journal_written_bytes", "Of the payloads of these.", number(commit, "bytes")
    )
    yield from gauge(
        "credit_bytes", "What one source may have unacknowledged.", number(credit, "bytes_each")
    )
    yield from gauge(
        "credit_outstanding_bytes",
        "What all of them have unacknowledged.",
        number(credit, "outstanding_bytes"),
    )
