"""Which of the oldest segments a journal may do without: by size, and by age.

Age is the time since a segment was written last, by the wall clock. A clock that has jumped since the process began is
not believed: nothing is removed for its age then; nor is what was written while the clock stood where it cannot have
been, such as 1970.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from phenostream.daemon.clock import is_possible
from phenostream.daemon.journal.checkpoint import KnownSegment
from phenostream.daemon.journal.segment import segment_path

logger = logging.getLogger(__name__)

_DAY_S: Final = 86400.0
_JUMP_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a journal is kept; the newest segment always is.

    Attributes:
        max_bytes: Of all segments together; None: any.
        max_age_days: Of a segment; None: any.
        clock_s: Wall clock minus monotonic clock when the process began.
    """

    max_bytes: int | None = None
    max_age_days: float | None = None
    clock_s: float = field(default_factory=lambda: time.time() - time.monotonic())


def removable(
    segments: Sequence[KnownSegment], directory: Path, limits: Limits, covered: int
) -> int | None:
    """The offset before which segments are to be removed; None for none.

    Args:
        segments: All, oldest first.
        directory: Where they are.
        limits: How much is kept.
        covered: Only segments that end at this offset or earlier.
    """
    total = sum(segment.size for segment in segments)
    before = None
    for segment in segments[:-1]:
        too_many = limits.max_bytes is not None and total > limits.max_bytes
        if segment.end > covered or not (too_many or _too_old(segment, directory, limits)):
            break
        total -= segment.size
        before = segment.end
    return before


def _too_old(segment: KnownSegment, directory: Path, limits: Limits) -> bool:
    if limits.max_age_days is None:
        return False
    if abs(time.time() - time.monotonic() - limits.clock_s) > _JUMP_S:
        return False
    try:
        written_s = segment_path(directory, segment.first).stat().st_mtime
    except FileNotFoundError:
        return True
    if not is_possible(written_s):
        return False
    return time.time() - written_s > limits.max_age_days * _DAY_S
