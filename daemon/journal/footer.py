"""The footer of a segment that is followed by another, `<first offset>.footer`: what is in it, and its bytes' hash.

Written once, after the segment is complete; a segment in which something is lost gets none.
"""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from phenostream.daemon.journal.sidecar import read_sidecar, write_sidecar
from phenostream.daemon.journal.walk import Place

SUFFIX: Final = ".footer"
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Footer:
    """What a sealed segment holds.

    Attributes:
        first: Offset of its first record.
        end: Offset after its last.
        size: Bytes.
        sha256: Of these bytes, hex.
        index: A record about every MiB.
    """

    first: int
    end: int
    size: int
    sha256: str
    index: tuple[Place, ...] = ()


def footer_path(segment: Path) -> Path:
    """Where the footer of a segment lives."""
    return segment.with_suffix(SUFFIX)


def write_footer(segment: Path, footer: Footer) -> None:
    """Write it; raises OSError, and nothing is changed then."""
    write_sidecar(
        footer_path(segment), {**asdict(footer), "index": [list(p) for p in footer.index]}
    )


def read_footer(segment: Path) -> Footer | None:
    """The footer of a segment; None without one that can be read."""
    value = read_sidecar(footer_path(segment))
    if value is None:
        return None
    try:
        index = tuple(Place(int(offset), int(byte)) for offset, byte in value["index"])
        numbers: dict[str, Any] = {key: int(value[key]) for key in ("first", "end", "size")}
        return Footer(**numbers, sha256=str(value["sha256"]), index=index)
    except (KeyError, TypeError, ValueError):
        return None


def hash_file(path: Path, size: int, step: Callable[[], None] = lambda: None) -> str:
    """SHA-256 of the first `size` bytes, hex; `step` is called for each MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while size > 0 and (chunk := file.read(min(_CHUNK, size))):
            digest.update(chunk)
            size -= len(chunk)
            step()
    return digest.hexdigest()


def remove_segment(path: Path) -> None:
    """Remove a segment and what stands beside it; the footer last, as it claims nothing by itself."""
    path.unlink(missing_ok=True)
    footer_path(path).unlink(missing_ok=True)
