"""Small runs to record."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenostream.daemon.client.stream import SourceFrame
from phenostream.daemon.recordings.writer import write_recording
from phenostream.daemon.wire.ingest import Start

RecordingMaker = Callable[..., Path]


def some_frames(count: int, side: int = 128) -> Iterator[SourceFrame]:
    """Frames of stripes, each other ones: compression has something to do."""
    for seq in range(count):
        stripes = (np.arange(side) * (seq + 1) // 8).astype(np.uint8)
        data = np.ascontiguousarray(np.broadcast_to(stripes, (4, side, side)))
        yield SourceFrame(seq, data, (1.5 * seq, -2.0, 0.25), 3.5, 10**18 + seq)


@pytest.fixture
def make_recording(tmp_path: Path, make_start: Callable[..., Start]) -> RecordingMaker:
    """A complete recording of `count` frames; other arguments change START."""

    def make(name: str = "cells.phenorec", count: int = 3, level: int = 6, **start: Any) -> Path:
        path = tmp_path / name
        frames = some_frames(count)
        write_recording(path, make_start(**start), frames, level=level, created_utc_ns=5)
        return path

    return make
