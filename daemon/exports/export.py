"""Exports results to a file of another tool; which suffix means which format is the table below.

Memory is bounded by one batch of rows. The file appears under its name when it is whole, replacing an earlier one.
"""

import json
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import Any, Final, Protocol

from phenostream.daemon.exports.csv import CsvFile
from phenostream.daemon.exports.gone import Gone
from phenostream.daemon.exports.parquet import ParquetFile
from phenostream.daemon.exports.rows import RowColumn, RowMaker, Rows, joined
from phenostream.daemon.exports.sources import results
from phenostream.daemon.journal.loss import Loss, describe_losses
from phenostream.daemon.wire.results import FrameRecord
from phenostream.engine.errors import BadConfig, BadInput

ROWS_A_BATCH: Final = 1 << 15
NOTICE: Final = "Research use only; not a diagnosis."


class TableFile(Protocol):
    """A file of rows being written."""

    def write(self, rows: Rows) -> None:
        """Append rows."""

    def close(self, about: dict[str, Any]) -> None:
        """Finish the file, with what the table is about."""


@dataclass(frozen=True, slots=True)
class Format:
    """How to write one kind of file.

    Attributes:
        open: Makes the file for a path and its columns.
        sidecar: Whether units and the rest go into ``PATH.units.json``, the format having no place for them.
    """

    open: Callable[[Path, Sequence[RowColumn]], TableFile]
    sidecar: bool


FORMATS: Final[dict[str, Format]] = {
    ".csv": Format(CsvFile, sidecar=True),
    ".parquet": Format(ParquetFile, sidecar=False),
}
"""By suffix of the target."""


@dataclass(frozen=True, slots=True)
class ExportFacts:
    """What was written.

    Attributes:
        rows: Cells.
        frames: Results read, also those without a cell.
        fates: Frames by fate, and by ``fate.code``.
        synthetic: Whether any weight or image behind it is synthetic.
        bytes: Of the target.
        losses: What the journal has lost for good, one line each: the table may lack frames.
        gone: Offsets that the journal holds no more, one line a reason: likewise.
        complete: Whether nothing is missing but what somebody wished to be gone.
    """

    target: Path
    rows: int
    frames: int
    fates: dict[str, int]
    runs: tuple[str, ...]
    synthetic: bool
    bytes: int
    losses: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    complete: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            **asdict(self),
            "target": str(self.target),
            "runs": list(self.runs),
            "losses": list(self.losses),
            "gone": list(self.gone),
        }


def export(
    source: Path,
    target: Path,
    *,
    runs: Collection[str] | None = None,
    on_frame: Callable[[str], None] | None = None,
) -> ExportFacts:
    """Write the cells of a journal, or of a file of ``watch --json``, as one table.

    Args:
        source: Journal directory or JSON lines.
        target: Its suffix chooses the format.
        runs: Only these; None for all.
        on_frame: Called with every frame's fate.

    Raises:
        BadConfig: Unknown suffix, or the target's folder is not there.
        BadInput: The source cannot be read, holds no result (of these runs), or two marker units.
        MissingPackage: The format needs a package that is not installed.
    """
    chosen = FORMATS.get(target.suffix.lower())
    if chosen is None:
        raise BadConfig(f"{target}: suffix {target.suffix!r}, allowed {', '.join(FORMATS)}")
    if not target.parent.is_dir():
        raise BadConfig(f"{target}: no folder {target.parent}")
    maker = RowMaker()
    losses: list[Loss] = []
    gone = Gone()
    found = results(source, losses.append, gone.take)
    batches = _batches(found, maker, runs, on_frame or (lambda fate: None))
    first = next(batches, None)  # tells the marker unit, which the columns need
    if not maker.frames:
        of = f" of run {', '.join(runs)}" if runs else ""
        lost = f"; {describe_losses(losses)}" if losses else ""
        raise BadInput(f"{source}: holds no result{of}{lost}")
    columns = maker.columns()
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    partial_about = partial.with_name(f"{partial.name}.units.json")
    try:
        file = chosen.open(partial, columns)
        try:
            for batch in chain([first] if first is not None else [], batches):
                file.write(batch)
        except BaseException:
            file.close({})
            raise
        about = _about(maker, losses, gone)
        file.close(about)
        if chosen.sidecar:
            partial_about.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
            _put(partial_about, target.with_name(f"{target.name}.units.json"))
        _put(partial, target)
    finally:
        partial.unlink(missing_ok=True)
        partial_about.unlink(missing_ok=True)
    return ExportFacts(
        target,
        maker.rows,
        maker.frames,
        dict(maker.fates),
        tuple(maker.runs),
        maker.synthetic,
        target.stat().st_size,
        tuple(map(str, losses)),
        gone.lines(),
        not losses and not gone.by_damage,
    )


def _batches(
    found: Iterator[tuple[int, FrameRecord]],
    maker: RowMaker,
    runs: Collection[str] | None,
    on_frame: Callable[[str], None],
) -> Iterator[Rows]:
    gathered: list[Rows] = []
    count = 0
    for offset, record in found:
        if runs is not None and record.meta.get("run") not in runs:
            continue
        rows = maker.take(offset, record)
        on_frame(str(record.meta["fate"]))
        if rows is None:
            continue
        gathered.append(rows)
        count += len(rows["cell"])
        if count >= ROWS_A_BATCH:
            yield joined(gathered)
            gathered, count = [], 0
    if gathered:
        yield joined(gathered)


def _about(maker: RowMaker, losses: Sequence[Loss], gone: Gone) -> dict[str, Any]:
    """What the whole table is about; known when its last result was read."""
    return {
        "format": "phenostream-cells/1",
        "software": f"phenostream {metadata.version('phenostream')}",
        "notice": NOTICE,
        "synthetic": maker.synthetic,
        "model_synthetic": maker.model_synthetic,
        "models": maker.models,
        "runs": maker.runs,
        "cells": maker.rows,
        "frames": maker.frames,
        "fates": dict(maker.fates),
        "losses": [str(loss) for loss in losses],
        "gone": list(gone.lines()),
        "columns": {
            column.name: {"type": column.kind, "unit": column.unit, "meaning": column.meaning}
            for column in maker.columns()
        },
    }


def _put(partial: Path, target: Path) -> None:
    """Make a file durable and give it its name."""
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(target)
