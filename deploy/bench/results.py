"""Reads what `phenostream watch --json` wrote: one JSON object a line, of which the scorers need a part.

A ``result`` line holds run, frame_seq, fate and ``columns`` (name: list of one value per found cell); a ``status`` line
of the event ``run_ended`` holds the ledger. Lines of other topics are passed over.
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from phenostream.daemon.exports.lines import text_lines
from phenostream.engine.errors import BadInput
from phenostream.engine.postprocess import STATUSES

F64 = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FrameCells:
    """The found cells of one frame.

    Attributes:
        y_px: (N,) full-resolution pixels.
        x_px: (N,) likewise.
        status: (N,) index in `postprocess.STATUSES`.
        kind: (N,) class index, 255 for none.
    """

    y_px: F64
    x_px: F64
    status: Int
    kind: Int


@dataclass(slots=True)
class RunResults:
    """One run as a subscriber saw it.

    Attributes:
        run: Its id.
        frames: Published frames by frame_seq.
        fates: Fate of every frame by frame_seq.
        repeated: Frames that appeared more than once.
        ledger: Of the run's end, or None where the file stops before it.
    """

    run: str
    frames: dict[int, FrameCells] = field(default_factory=dict)
    fates: dict[int, str] = field(default_factory=dict)
    repeated: int = 0
    ledger: dict[str, int] | None = None


def read_results(path: Path, run: str | None = None) -> RunResults:
    """Read one run.

    Args:
        path: File of JSON lines.
        run: Which run; None where the file holds one.

    Raises:
        BadInput: Unreadable, not JSON lines, several runs and none named, or no such run.
    """
    runs: dict[str, RunResults] = {}
    try:
        for number, line in text_lines(path):
            if line.strip():
                _take(runs, json.loads(line), f"{path}:{number}")
    except (ValueError, RecursionError) as err:
        raise BadInput(f"{path}: not JSON lines ({str(err)[:200]})") from err
    names = ", ".join(sorted(runs)) or "none"
    if run is None and len(runs) != 1:
        raise BadInput(f"{path}: runs {names}; name one with --run")
    if run is not None and run not in runs:
        raise BadInput(f"{path}: run {run} not among {names}")
    return runs[run] if run is not None else next(iter(runs.values()))


def ledger_faults(results: RunResults) -> tuple[str, ...]:
    """What does not add up in a run's ledger, or between it and the results; empty without a ledger."""
    faults = [f"{results.repeated} frames have more than one result"] if results.repeated else []
    ledger = results.ledger
    if ledger is None:
        return tuple(faults)

    def check(what: str, left: int, right: int) -> None:
        if left != right:
            faults.append(f"{what}: {left} is not {right}")

    fates = [ledger.get(key, 0) for key in ("published", "dropped", "quarantined", "failed")]
    received = ledger.get("received", 0)
    check("received = fates + in flight", received, sum(fates) + ledger.get("in_flight", 0))
    check("in flight at the end", ledger.get("in_flight", 0), 0)
    if "announced" in ledger:
        check("missing", ledger.get("missing", 0), ledger["announced"] - received)
    seen = Counter(results.fates.values())
    check("results of published frames", seen["published"], ledger.get("published", 0))
    if "cells_found" in ledger:
        cells = [ledger.get(f"cells_{name}", 0) for name in STATUSES]
        check("cells found = their fates", ledger["cells_found"], sum(cells))
        found = sum(len(frame.y_px) for frame in results.frames.values())
        check("cells in the results", found, ledger["cells_found"])
    return tuple(faults)


def _take(runs: dict[str, RunResults], line: Any, where: str) -> None:
    if not isinstance(line, dict) or not isinstance(line.get("topic"), str):
        raise BadInput(f"{where}: not an object with a topic")
    topic = line["topic"]
    if topic not in ("result", "status"):
        return
    name = line.get("run")
    if not isinstance(name, str):
        raise BadInput(f"{where}: run {name!r}: expected a text")
    run = runs.setdefault(name, RunResults(name))
    if topic == "status":
        if line.get("event") == "run_ended" and isinstance(line.get("ledger"), dict):
            run.ledger = {key: n for key, n in line["ledger"].items() if isinstance(n, int)}
        return
    seq = line.get("frame_seq")
    if not isinstance(seq, int):
        raise BadInput(f"{where}: frame_seq {seq!r}: expected a number")
    run.repeated += seq in run.fates
    run.fates[seq] = str(line.get("fate", "published"))
    columns = line.get("columns") or {}
    if columns:
        run.frames[seq] = _cells(columns, where)
    elif run.fates[seq] == "published":
        run.frames[seq] = _cells({"y_px": [], "x_px": [], "status": [], "class": []}, where)


def _cells(columns: Any, where: str) -> FrameCells:
    try:
        cells = FrameCells(
            np.asarray(columns["y_px"], np.float64),
            np.asarray(columns["x_px"], np.float64),
            np.asarray(columns["status"], np.int64),
            np.asarray(columns["class"], np.int64),
        )
    except (KeyError, TypeError, ValueError) as err:
        raise BadInput(f"{where}: columns: {type(err).__name__} {err}") from err
    if len({len(cells.y_px), len(cells.x_px), len(cells.status), len(cells.kind)}) != 1:
        raise BadInput(f"{where}: columns of different lengths")
    return cells
