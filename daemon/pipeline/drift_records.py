"""The status records of drift: an alarm that opened or closed, and what a run that ends adds up to."""

from collections.abc import Mapping, Sequence
from math import exp, expm1
from typing import Any

from phenostream.daemon.drift_history import RUN_DRIFT, EndedRun
from phenostream.daemon.pipeline.records import origin
from phenostream.daemon.wire.codec import pack
from phenostream.daemon.wire.ingest import Start
from phenostream.engine.drift.shifts import Shift
from phenostream.engine.drift.watch import AlarmChange, DriftBaseline, Watch


def alarm_changed(start: Start, model_synthetic: bool, change: AlarmChange) -> bytes:
    """The record of an alarm."""
    more = {"against": change.against, "open": change.opened, **shift_told(change.shift)}
    return pack(_status("drift", start, model_synthetic) | more)


def run_drift(
    start: Start,
    model_synthetic: bool,
    watch: Watch,
    kept: EndedRun,
    found: Sequence[tuple[DriftBaseline, tuple[Shift, ...]]],
) -> bytes:
    """The record of a run that ends: all its frames against each baseline, and their sums for a later run."""
    against = [
        {
            "against": baseline.against,
            "name": baseline.name,
            "obstacle": baseline.obstacle,
            "shifts": [shift_told(one) for one in shifts],
        }
        for baseline, shifts in found
    ]
    more = {
        "model_sha256": kept.model_sha256,
        "frames": kept.sums.frames,
        "against": against,
        "quantities": [one.code for one in watch.quantities],
        "sums": kept.sums.table.tolist(),
    }
    return pack(_status(RUN_DRIFT, start, model_synthetic) | more)


def shift_told(shift: Shift) -> dict[str, Any]:
    """Plain values; see docs/wire.md."""
    return {
        "quantity": shift.quantity.code,
        "before": shift.before,
        "now": shift.now,
        "tolerance": shift.tolerance,
        "p": shift.p,
        "beyond": shift.beyond,
    }


def in_words(told: Mapping[str, Any]) -> str:
    """Where a quantity is, and where it may be, for a person; of what `shift_told` tells.

    Shares in per cent, brightness as a level, the others in standard deviations.
    """
    now, before, tolerance = (float(told[key]) for key in ("now", "before", "tolerance"))
    kind = str(told["quantity"]).split("/")[0]
    if kind == "brightness":
        allowed = f"{exp(before):.3f} ± {100 * expm1(tolerance):.0f} %"
        return f"{exp(now):.3f} of full scale, allowed {allowed}"
    if kind in ("marker", "feature"):
        return f"{_plain(now)} sd, allowed {_plain(before)} ± {tolerance:.2f}"
    return f"{100 * now:.1f} %, allowed {100 * before:.1f} ± {100 * tolerance:.1f}"


def _plain(value: float) -> str:
    """Two decimals; nothing has no sign."""
    return f"{round(value, 2) + 0.0:.2f}"


def _status(event: str, start: Start, model_synthetic: bool) -> dict[str, Any]:
    return {
        "v": 1,
        "type": "status",
        "event": event,
        "run": start.run,
        "instrument": start.instrument,
        **origin(model_synthetic=model_synthetic, source_synthetic=start.synthetic),
    }
