"""Whether frames are taken and inferred now, judged from what the daemon says of itself."""

from collections.abc import Mapping
from typing import Any, Final

from phenostream.daemon.monitor.reading import table, tables

SERVING: Final = ("ready", "degraded")
STOPPERS: Final = ("journal", "space", "stalled")
"""Faults while which frames wait: nothing can be written and acknowledged, or a thread shows no life."""


def why_not_ready(status: Mapping[str, Any] | None, unanswered: str = "") -> str:
    """One line: why frames are not served; empty where they are. A daemon on its fallback serves.

    Args:
        status: The daemon's answer; None: there is none.
        unanswered: Why.
    """
    if status is None:
        return unanswered or "no answer"
    if status.get("state") not in SERVING:
        return f"state {status.get('state')}"
    faults = table(status, "faults")
    for name in STOPPERS:
        if name in faults:
            return f"fault {name}: {faults[name]}"
    backends = tables(status, "inference", "backends")
    if backends and all(row.get("state") == "down" for row in backends):
        return "no backend works: " + "; ".join(str(row.get("reason")) for row in backends)
    return ""
