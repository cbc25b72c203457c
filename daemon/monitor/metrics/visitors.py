"""Who comes to the daemon: connections, keys, sources that nobody answers (configured, so they may be labels)."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from prometheus_client.metrics_core import Metric

from phenostream.daemon.monitor.metrics.families import counter, counters, gauge, gauges
from phenostream.daemon.monitor.reading import number, table
from phenostream.daemon.sources.best_effort_desk import OUTCOMES

_SHUT_DOWN: Final = ("over_budget", "over_cap", "removed")


def of_visitors(status: Mapping[str, Any]) -> Iterator[Metric]:
    """Connections by socket, keys, messages by source."""
    sockets = table(status, "security", "sockets")
    yield from gauges(
        "connections",
        "Open now, by socket.",
        "socket",
        ((name, number(told, "connections") or 0) for name, told in sockets.items()),
    )
    yield from counters(
        "connections_shut_down",
        "By the daemon: for sending too much, for being too many, for a key that was removed.",
        ("socket", "why"),
        (
            ((name, why), number(told, why) or 0)
            for name, told in sockets.items()
            for why in _SHUT_DOWN
        ),
    )
    yield from gauge(
        "keys_allowed", "Entries of the allow-list.", number(status, "security", "allowed")
    )
    yield from counter(
        "keys_refused",
        "Connections with a key that may not.",
        number(status, "security", "refused"),
    )
    yield from counter(
        "allow_list_reloads", "Of the allow-list.", number(status, "security", "reloads")
    )
    sources = table(status, "sources")
    yield from counters(
        "source_messages",
        "Of best-effort sources, by outcome.",
        ("source", "outcome"),
        (
            ((name, outcome), number(told, outcome) or 0)
            for name, told in sources.items()
            for outcome in OUTCOMES
        ),
    )
