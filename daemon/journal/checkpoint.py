"""Checkpoints, `<offset>.checkpoint`: what all records before that offset amount to, so that nobody need read them.

The two newest are kept: where one cannot be read, the other and more of the journal are, and without any all of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from phenostream.daemon.journal.segment import list_segments
from phenostream.daemon.journal.sidecar import read_sidecar, write_sidecar
from phenostream.daemon.journal.walk import Place

SUFFIX: Final = ".checkpoint"
KEPT: Final = 2
_DIGITS: Final = 20
_REMOVED: Final = "removed"
"""Name of the sidecar that says which segments were removed on purpose."""


@dataclass(frozen=True, slots=True)
class KnownSegment:
    """A segment as the checkpoint's writer knew it; of the newest, what was durable then."""

    first: int
    end: int
    size: int
    damaged: bool


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What was known at one moment.

    Attributes:
        end: Offset after the last record that is in it: all before it was durable, and promised.
        segments: All that there were, oldest first.
        index: Of the newest segment, a record about every MiB.
        state: What the records amount to; the owner's affair.
    """

    end: int
    segments: tuple[KnownSegment, ...]
    index: tuple[Place, ...]
    state: dict[str, Any]


def write_checkpoint(directory: Path, checkpoint: Checkpoint) -> None:
    """Write it, then let go of older ones; raises OSError, and the older ones are still there."""
    _write(directory / f"{checkpoint.end:0{_DIGITS}d}{SUFFIX}", checkpoint)
    for old in _paths(directory)[KEPT:]:
        old.unlink(missing_ok=True)


def write_only_checkpoint(directory: Path, checkpoint: Checkpoint) -> None:
    """Write it in the place of all older ones too, for records are about to go that these rely on; raises OSError."""
    write_checkpoint(directory, checkpoint)
    for path in _paths(directory):
        _write(path, checkpoint)


def remembered(directory: Path) -> int:
    """Whichever of the checkpoints is lost, the other tells of all records before this offset."""
    kept = [int(path.stem) for path in _paths(directory) if path.stem.isdigit()]
    return kept[KEPT - 1] if len(kept) >= KEPT else 0


def checkpoints(directory: Path) -> Iterator[Checkpoint]:
    """All that can be read, newest first."""
    for path in _paths(directory):
        value = read_sidecar(path)
        if value is None:
            continue
        try:
            segments = tuple(
                KnownSegment(int(first), int(end), int(size), bool(damaged))
                for first, end, size, damaged in value["segments"]
            )
            index = tuple(Place(int(offset), int(byte)) for offset, byte in value["index"])
            yield Checkpoint(int(value["end"]), segments, index, dict(value["state"]))
        except (KeyError, TypeError, ValueError):
            continue


def fits(directory: Path, checkpoint: Checkpoint) -> bool:
    """Whether a directory holds no segment that should be in a checkpoint and is not."""
    known = {segment.first for segment in checkpoint.segments}
    wanted = range(removed_before(directory), checkpoint.end)
    return all(one.first in known for one in list_segments(directory) if one.first in wanted)


def has_checkpoints(directory: Path) -> bool:
    """Whether there is any file of that name, readable or not."""
    return bool(_paths(directory))


def removed_before(directory: Path) -> int:
    """Segments that begin before this offset were removed on purpose, or are about to be."""
    value = read_sidecar(directory / _REMOVED)
    before = value.get("before") if value is not None else None
    return before if isinstance(before, int) else 0


def mark_removed(directory: Path, before: int) -> None:
    """Say that segments which begin before an offset are not wanted any more; raises OSError."""
    write_sidecar(directory / _REMOVED, {"before": before})


def _write(path: Path, checkpoint: Checkpoint) -> None:
    segments = [[s.first, s.end, s.size, s.damaged] for s in checkpoint.segments]
    index = [list(place) for place in checkpoint.index]
    value = {"end": checkpoint.end, "segments": segments, "index": index, "state": checkpoint.state}
    write_sidecar(path, value)


def _paths(directory: Path) -> list[Path]:
    """Newest first."""
    return sorted(directory.glob(f"*{SUFFIX}"), reverse=True)
