"""Hand-made results: two cells, of which one at the edge, in every column of the contract."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from phenostream.daemon.run_id import new_run_id
from phenostream.daemon.wire.results import FrameRecord, WireColumn

RecordMaker = Callable[..., FrameRecord]
RUN = new_run_id()
MODEL = {
    "name": 'toy, "first"',
    "version": "1",
    "sha256": "0" * 64,
    "backend": "fake",
    "calibrated": True,
    "interval_coverage": 0.9,
}


@pytest.fixture
def run() -> str:
    """The run of every record that is not told otherwise."""
    return RUN


@pytest.fixture
def make_record() -> RecordMaker:
    """A published frame of two cells; keyword arguments change its meta."""

    def make(frame_seq: int = 0, marker_unit: str = "a.u.", **changes: Any) -> FrameRecord:
        return FrameRecord(_meta(frame_seq) | changes, _columns(frame_seq, marker_unit))

    return make


@pytest.fixture
def make_unpublished() -> RecordMaker:
    """A frame without cells and its reason."""

    def make(frame_seq: int, fate: str, reason: str) -> FrameRecord:
        return FrameRecord(_meta(frame_seq) | {"fate": fate, "reason": reason})

    return make


def _meta(frame_seq: int) -> dict[str, Any]:
    return {
        "v": 1,
        "type": "result",
        "run": RUN,
        "instrument": "scope",
        "mode": "best-effort",
        "frame_seq": frame_seq,
        "received_utc_ns": 1_790_000_000_123_456_789 + frame_seq,
        "source_utc_ns": 1_790_000_000_000_000_001,
        "stage_um": [None, None, None],
        "exposure_ms": None,
        "flags": {"four_shot_residual": 0.025},
        "model": MODEL,
        "synthetic": True,
        "model_synthetic": True,
        "source_synthetic": False,
        "fate": "published",
        "reason": None,
        "counts": {"found": 2},
        "timing_ms": {"total": 1.5},
    }


def _columns(frame_seq: int, marker_unit: str) -> dict[str, WireColumn]:
    nan = np.nan

    def floats(values: object, unit: str = "1") -> WireColumn:
        return WireColumn(np.array(values, np.float32), unit)

    markers = [[0.1, 2.0, 3.0, 1e-7 * (frame_seq + 1)], [nan] * 4]
    return {
        "index": WireColumn(np.array([0, 1], np.uint32), "1"),
        "y_px": floats([10.1, 20.2], "px"),
        "x_px": floats([30.3, 40.4], "px"),
        "diameter_um": floats([7.5, 8.5], "um"),
        "contrast": floats([12.0, 13.0]),
        "edge": WireColumn(np.array([False, True]), "1"),
        "status": WireColumn(np.array([0, 1], np.uint8), "1"),
        "class": WireColumn(np.array([2, 255], np.uint8), "1"),
        "class_set": WireColumn(np.array([0b110, 0], np.uint8), "1"),
        "class_probability": floats([[0.1, 0.2, 0.7], [nan] * 3]),
        "class_logits": floats([[1, 2, 3], [nan] * 3]),
        "marker_z": floats(markers),
        "marker_estimate": floats(markers, marker_unit),
        "marker_low": floats(markers, marker_unit),
        "marker_high": floats(markers, marker_unit),
        "ood_score": floats([0.5, nan]),
        "ood": WireColumn(np.array([True, False]), "1"),
        "reject_probability": floats([0.25, nan]),
    }
