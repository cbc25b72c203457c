"""Where frames spend their time: waiting and computing apart, and what the disk takes."""

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.metrics_core import Metric

from phenostream.daemon.monitor.metrics.families import histogram
from phenostream.daemon.monitor.reading import table


def of_stages(status: Mapping[str, Any]) -> Iterator[Metric]:
    """Histograms since the daemon began."""
    stages = table(status, "meters", "stages")
    yield from histogram(
        "stage_seconds",
        "Of a frame in a stage: queue and wait for their turn, prepare, infer, commit; total.",
        "stage",
        ((name, times) for name, times in stages.items() if isinstance(times, Mapping)),
    )
