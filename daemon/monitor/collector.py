"""An OpenTelemetry collector: takes spans by OTLP over HTTP.

The exporter reads the usual environment, such as ``OTEL_EXPORTER_OTLP_HEADERS`` and ``OTEL_EXPORTER_OTLP_CERTIFICATE``.
"""

import logging
import threading
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from phenostream.daemon.monitor.spans import Span

_PATH: Final = "/v1/traces"
_TIMEOUT_S: Final = 5
"""For all tries to hand over one heap of spans; within one try, for each wait of the exporter's."""
_WHOLE_S: Final = 5.5
"""For the whole exchange, which a collector that drips its answer would never end."""
_STILL: Final = "its answer to earlier ones has not ended"
_UNTOLD: Final = "it said nothing"
_SCOPE: Final = InstrumentationScope("phenostream")


class _LastWords(logging.Filter):
    """Keeps the exporter's own log lines, one a try, out of ours: why it failed is said once, by who knows when."""

    def __init__(self) -> None:
        super().__init__()
        self.words = _UNTOLD

    def filter(self, record: logging.LogRecord) -> bool:
        """Remember it, on one line."""
        self.words = " ".join(record.getMessage().split())[:300]
        return False


class OtlpCollector:
    """At one address, for one daemon."""

    def __init__(self, url: str, version: str, instance: str) -> None:
        """Connect when there is something to send.

        Args:
            url: Of the collector: its base, or the whole way to where it takes traces.
            version: Of phenostream.
            instance: Which daemon of this box.
        """
        self._exporter = trace_exporter.OTLPSpanExporter(
            endpoint=_endpoint(url), timeout=_TIMEOUT_S
        )
        self._under_way: threading.Thread | None = None
        self._resource = Resource.create(
            {
                "service.name": "phenostream",
                "service.version": version,
                "service.instance.id": instance,
            }
        )

    def send(self, spans: Sequence[Span]) -> str | None:
        """Why it did not take them, or not within its time; None if it did. From one thread.

        An exchange that was given up goes on beside us, and nothing else is sent until it has ended.
        """
        if self._under_way is not None and self._under_way.is_alive():
            return _STILL
        told = [_readable(span, self._resource) for span in spans]
        outcome: list[str | None] = []
        self._under_way = threading.Thread(
            target=lambda: outcome.append(self._exchanged(told)), name="collector", daemon=True
        )
        self._under_way.start()
        self._under_way.join(_WHOLE_S)
        return outcome[0] if outcome else f"no whole answer within {_WHOLE_S:g} s"

    def _exchanged(self, told: Sequence[ReadableSpan]) -> str | None:
        said, last = logging.getLogger(trace_exporter.__name__), _LastWords()
        said.addFilter(last)
        try:
            taken = self._exporter.export(told) is SpanExportResult.SUCCESS
        finally:
            said.removeFilter(last)
        return None if taken else last.words

    def close(self) -> None:
        """No further try; from any thread."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # theirs


def _endpoint(url: str) -> str:
    return url.rstrip("/") + _PATH if urlsplit(url).path in ("", "/") else url


def _readable(span: Span, resource: Resource) -> ReadableSpan:
    return ReadableSpan(
        span.name,
        _context(span.trace, span.id),
        None if span.parent is None else _context(span.trace, span.parent),
        resource,
        attributes=span.attributes,
        start_time=span.begin_ns,
        end_time=span.end_ns,
        status=Status(StatusCode.UNSET)
        if span.failure is None
        else Status(StatusCode.ERROR, span.failure),
        instrumentation_scope=_SCOPE,
    )


def _context(trace: bytes, span: bytes) -> SpanContext:
    return SpanContext(
        int.from_bytes(trace, "big"),
        int.from_bytes(span, "big"),
        is_remote=False,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
