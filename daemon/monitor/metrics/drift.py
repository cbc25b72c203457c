"""How far the runs that go on lie from what they are compared with; of several instruments, the one furthest away.

Quantities are those of the model's manifest, so they may be labels. Instruments, named by whoever sends, are not.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.metrics_core import Metric

from phenostream.daemon.monitor.metrics.families import counter, gauges_by
from phenostream.daemon.monitor.reading import number, rows, table, tables

_Pair = tuple[str, str]
"""What is compared with, and the quantity."""


def of_drift(status: Mapping[str, Any]) -> Iterator[Metric]:
    """Alarms and distances."""
    yield from counter(
        "drift_alarms_opened",
        "Drift alarms that opened since the daemon began.",
        number(status, "drift", "alarms_opened"),
    )
    shifts: dict[_Pair, float] = {}
    alarms: Counter[_Pair] = Counter()
    instruments = table(status, "drift", "instruments").values()
    for standing in (s for one in instruments if _goes_on(one) for s in tables(one, "against")):
        against = str(standing.get("against"))
        for shift in tables(standing, "shifts"):
            pair, away = (against, str(shift.get("quantity"))), _tolerances_away(shift)
            if away is not None and abs(away) >= abs(shifts.get(pair, 0.0)):
                shifts[pair] = away
                alarms[pair] += 0  # told as none
        alarms.update((against, str(quantity)) for quantity in rows(standing, "alarms"))
    labels = ("against", "quantity")
    yield from gauges_by(
        "drift_shift",
        "Of the last window, in tolerances: above 1 or below -1 it lies further away than is allowed.",
        labels,
        sorted(shifts.items()),
    )
    yield from gauges_by(
        "drift_alarms", "Instruments with the alarm open.", labels, sorted(alarms.items())
    )


def _goes_on(instrument: Any) -> bool:
    return isinstance(instrument, Mapping) and instrument.get("open") is True


def _tolerances_away(shift: Mapping[str, Any]) -> float | None:
    """From what it is compared with; None where that is not told."""
    now, before, tolerance = (number(shift, key) for key in ("now", "before", "tolerance"))
    if now is None or before is None or not tolerance:
        return None
    return (now - before) / tolerance
