"""Reads what a daemon has put into quarantine: entry by entry, oldest first, whatever state the files are in.

The folder may hold 50,000 frames and belong to a daemon that is running: only names are held, notes are read one at a
time, and a frame that goes meanwhile is passed over. Knows nothing of sockets.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from phenostream.daemon.quarantine import DATA, NOTE, STEM
from phenostream.daemon.wire.ingest import FrameHeader, ShotHeader, Start
from phenostream.daemon.wire.validation import describe
from phenostream.engine.errors import BadFrame, BadInput

_LONGEST_NOTE: Final = 1 << 20
Header = FrameHeader | ShotHeader
Piece = tuple[Header, memoryview]


class _PartNote(BaseModel):
    header: dict[str, Any] = Field(default_factory=dict)
    bytes: Annotated[int, Field(ge=0)]


class Note(BaseModel):
    """What stands beside a frame; notes of earlier versions have no `start` and no times."""

    model_config = ConfigDict(frozen=True)

    reason: str
    source: str | None = None
    source_utc_ns: int | None = None
    stage_um: tuple[float | None, float | None, float | None] = (None, None, None)
    exposure_ms: float | None = None
    start: dict[str, Any] | None = None
    parts: tuple[_PartNote, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One frame in quarantine, as its files are called.

    Attributes:
        path: Of its note.
        utc_ns: When it came, by the daemon's clock.
    """

    path: Path
    utc_ns: int
    run: str
    frame_seq: int

    def note(self) -> Note:
        """What stands beside it.

        Raises:
            BadFrame: It is gone, damaged, or none of ours; one line.
        """
        try:
            with self.path.open("rb") as file:
                text = file.read(_LONGEST_NOTE + 1)
            if len(text) > _LONGEST_NOTE:
                raise BadFrame(f"{self.path}: above {_LONGEST_NOTE} bytes: no note of a daemon")
            return Note.model_validate(json.loads(text))
        except OSError as err:
            raise BadFrame(f"{self.path}: {err.strerror}") from err
        except ValidationError as err:
            raise BadFrame(f"{self.path}: {describe(err)}") from err
        except (ValueError, RecursionError) as err:
            raise BadFrame(f"{self.path}: not a whole note ({type(err).__name__})") from err

    def data(self, note: Note) -> bytes:
        """Every byte that came, the parts one behind the other; raises as `note`."""
        path = self.path.with_suffix(DATA)
        size = sum(part.bytes for part in note.parts)
        try:
            with path.open("rb") as file:
                held = os.fstat(file.fileno()).st_size
                if held != size:
                    raise BadFrame(f"{path}: {held} bytes, its note says {size}")
                return file.read(size)
        except OSError as err:
            raise BadFrame(f"{path}: {err.strerror}") from err

    def messages(self, note: Note) -> tuple[Start, list[Piece]]:
        """The START of its run, and what came of it as the messages that brought it.

        Raises:
            BadFrame: Why it cannot be sent again: no START beside it (an earlier version), a header that nobody could
                read, or files that are damaged.
        """
        if note.start is None:
            raise BadFrame(f"{self.path}: kept by an earlier version, without its run's START")
        try:
            start = Start.model_validate(note.start, strict=False)
            headers = [_header(part.header) for part in note.parts if part.header]
        except ValidationError as err:
            raise BadFrame(f"{self.path}: {describe(err)}") from err
        data = memoryview(self.data(note))
        if not headers and len(data) == start.frame_bytes and note.reason.startswith("frame:"):
            return start, [
                (self._whole(start, note), data)
            ]  # it had passed every check of its header
        if len(headers) != len(note.parts) or not headers:
            raise BadFrame(f"{self.path}: came under a header that breaks the schema")
        shots = [h.illumination for h in headers if isinstance(h, ShotHeader)]
        if len(set(shots)) != len(shots):
            raise BadFrame(f"{self.path}: holds one shot twice")
        pieces: list[Piece] = []
        for header, part in zip(headers, note.parts, strict=True):
            pieces.append((header, data[: part.bytes]))
            data = data[part.bytes :]
        return start, pieces

    def _whole(self, start: Start, note: Note) -> FrameHeader:
        x_um, y_um, z_um = note.stage_um
        return FrameHeader(
            run=start.run,
            frame_seq=self.frame_seq,
            shape=(len(start.shots), start.height, start.width),
            dtype=start.dtype,
            x_um=x_um,
            y_um=y_um,
            z_um=z_um,
            exposure_ms=note.exposure_ms,
            source_utc_ns=note.source_utc_ns or 0,
        )


def entries(place: Path) -> Iterator[Entry]:
    """Every frame in a quarantine folder, oldest first; or the one that a file of it belongs to.

    Raises:
        BadInput: Neither.
    """
    if place.is_dir():
        names = sorted(name.removesuffix(NOTE) for name in os.listdir(place) if name.endswith(NOTE))
        yield from filter(None, (_entry(place, name) for name in names))
        return
    entry = _entry(place.parent, place.stem) if place.suffix in (DATA, NOTE) else None
    if entry is None or not entry.path.is_file():
        raise BadInput(f"{place}: neither a quarantine folder nor a {NOTE} or {DATA} file of one")
    yield entry


def _entry(directory: Path, stem: str) -> Entry | None:
    named = STEM.fullmatch(stem)
    if named is None:
        return None
    path = directory / f"{stem}{NOTE}"
    return Entry(path, int(named["utc_ns"]), named["run"], int(named["frame_seq"]))


def _header(told: dict[str, Any]) -> Header:
    kind = ShotHeader if told.get("type") == "shot" else FrameHeader
    return kind.model_validate(told, strict=False)
