"""What infers: the model that serves, on what, and how its backends stand."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from prometheus_client.metrics_core import Metric

from phenostream.daemon.monitor.metrics.families import counter, counters, gauges, info
from phenostream.daemon.monitor.reading import number, table, tables

_DIGITS: Final = 12
"""Of a sha256, as everywhere for people."""


def of_engine(status: Mapping[str, Any]) -> Iterator[Metric]:
    """Identity, backends, retries."""
    model = table(status, "model")
    if model:
        said = {
            key: model.get(key) for key in ("name", "version", "backend", "device", "precision")
        }
        yield from info(
            "model",
            "The model that serves and what runs it.",
            {
                **said,
                "sha256": str(model.get("sha256", ""))[:_DIGITS],
                "calibrated": model.get("calibrated"),
                "signed": model.get("signed_by") is not None,
            },
        )
    yield from gauges(
        "synthetic",
        "Whether it is simulated: then results say nothing about blood.",
        "of",
        ((of, number(status, f"{of}_synthetic") or 0) for of in ("model", "source")),
    )
    backends = {str(row.get("backend")): row for row in tables(status, "inference", "backends")}
    yield from gauges(
        "backend_down",
        "Whether a backend failed and is not used.",
        "backend",
        ((name, row.get("state") == "down") for name, row in backends.items()),
    )
    yield from counters(
        "backend_outages",
        "How often a backend went down.",
        ("backend",),
        (((name,), number(row, "outages") or 0) for name, row in backends.items()),
    )
    for name, meaning in _COUNTED.items():
        yield from counter(f"inference_{name}", meaning, number(status, "inference", name))


_COUNTED: Final = {
    "retries": "Calls that were made once more.",
    "calls_given_up": "Calls that did not return in time.",
    "cells_failed": "Cells that the engine gave no finite numbers for.",
}
