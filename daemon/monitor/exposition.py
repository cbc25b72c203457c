"""All metrics of one daemon in the text format of Prometheus, made anew from each answer of the daemon."""

from collections.abc import Iterator
from typing import Final

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from phenostream.daemon.monitor.inquiry import Answer
from phenostream.daemon.monitor.metrics.sections import SECTIONS
from phenostream.daemon.monitor.readiness import why_not_ready
from phenostream.daemon.monitor.site import Site

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def exposition(answer: Answer, site: Site) -> bytes:
    """Everything that is known, also while there is no daemon: then ``phenostream_up`` is 0."""
    return generate_latest(_Answered(answer, site))


class _Answered(Collector):
    def __init__(self, answer: Answer, site: Site) -> None:
        self._answer, self._site = answer, site

    def collect(self) -> Iterator[Metric]:
        answer, site = self._answer, self._site
        yield from _of_monitor(answer, site)
        if answer.told is not None:
            for section in SECTIONS:
                yield from section(answer.told)


def _of_monitor(answer: Answer, site: Site) -> Iterator[Metric]:
    up = answer.told is not None
    ready = not why_not_ready(answer.told, answer.why)
    yield GaugeMetricFamily("phenostream_up", "Whether the daemon answered just now.", up)
    yield GaugeMetricFamily(
        "phenostream_ready", "Whether frames are taken and inferred now.", ready
    )
    yield GaugeMetricFamily(
        "phenostream_status_seconds", "How long the daemon took to answer.", answer.took_s
    )
    yield GaugeMetricFamily(
        "phenostream_summariser_wanted",
        "Whether a language model is configured to word summaries.",
        site.words_wanted,
    )
    served = CounterMetricFamily(
        "phenostream_monitor_answers",
        "Given by the monitor, by HTTP status code.",
        labels=("code",),
    )
    for code, count in sorted(site.served.items()):
        served.add_metric((code,), count)
    yield served
    spans = CounterMetricFamily(
        "phenostream_trace_spans",
        "Made of results, by whether the collector took them.",
        labels=("fate",),
    )
    for fate, count in site.spans.items():
        spans.add_metric((fate,), count)
    yield spans
