"""Which subjects there are, in the order they are told."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from prometheus_client.metrics_core import Metric

from phenostream.daemon.monitor.metrics.drift import of_drift
from phenostream.daemon.monitor.metrics.engine import of_engine
from phenostream.daemon.monitor.metrics.frames import of_cells, of_classes, of_frames
from phenostream.daemon.monitor.metrics.keeping import of_keeping
from phenostream.daemon.monitor.metrics.process import of_process
from phenostream.daemon.monitor.metrics.stages import of_stages
from phenostream.daemon.monitor.metrics.visitors import of_visitors
from phenostream.daemon.monitor.metrics.words import of_words

SECTIONS: Final[tuple[Callable[[Mapping[str, Any]], Iterator[Metric]], ...]] = (
    of_process,
    of_frames,
    of_cells,
    of_classes,
    of_stages,
    of_engine,
    of_drift,
    of_keeping,
    of_visitors,
    of_words,
)
