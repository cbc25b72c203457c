"""Who words summaries, and how that goes."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from prometheus_client.metrics_core import Metric

from phenostream.daemon.monitor.metrics.families import counters, gauge, info
from phenostream.daemon.monitor.reading import number, table

_DIGITS: Final = 12
_OUTCOMES: Final = ("worded", "refused", "skipped", "unworded")


def of_words(status: Mapping[str, Any]) -> Iterator[Metric]:
    """The summariser as the daemon heard of it."""
    told = table(status, "summariser")
    yield from gauge(
        "summariser_silence_seconds",
        "Since the daemon heard of a summariser; absent where it never did.",
        number(told, "heard_s"),
    )
    yield from counters(
        "summaries",
        "By what became of the language model's words; refused: the daemon found them untrue.",
        ("outcome",),
        (((outcome,), number(told, outcome) or 0) for outcome in _OUTCOMES),
    )
    yield from gauge(
        "summary_last_seconds", "What the last worded one took.", number(told, "last_seconds")
    )
    llm = table(told, "llm")
    if llm:
        named = {key: llm.get(key) for key in ("name", "binding")}
        digest = str(llm.get("sha256", ""))[:_DIGITS]
        yield from info("llm", "The language model.", {**named, "sha256": digest})
