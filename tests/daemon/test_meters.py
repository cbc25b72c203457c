"""The meters count what became of frames and cells, and where their time went; the stages add up."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from phenostream.daemon.meters import BOUNDS_S, STAGES, Histogram, Meters
from phenostream.daemon.pipeline.entries import Arrival, Passage, Prepared
from phenostream.daemon.pipeline.records import FrameEnd
from phenostream.daemon.wire.ingest import Fate, Start
from phenostream.engine.postprocess import (
    CLASSIFIED,
    NO_CLASS,
    REJECTED,
    CellCounts,
    Column,
    count_cells,
)
from phenostream.engine.types import NO_FLAGS, Detections

NOTHING = np.empty(0, np.float32)
NONE = Detections(NOTHING, NOTHING, NOTHING, NOTHING, np.empty(0, np.bool_))


def ended(
    fate: Fate,
    reason: str | None = None,
    cells: CellCounts | None = None,
    columns: Mapping[str, Any] | None = None,
) -> FrameEnd:
    """A frame's end; `columns` are arrays by name."""
    told = {name: Column(array, "1") for name, array in (columns or {}).items()}
    return FrameEnd(fate, reason, asdict(cells or CellCounts()), told, NO_FLAGS, b"")


def of_cells(status: list[int], kinds: list[int], ood: list[bool]) -> FrameEnd:
    """A published frame of these cells."""
    fates = np.array(status, np.uint8)
    columns = {"status": fates, "class": np.array(kinds, np.uint8), "ood": np.array(ood, np.bool_)}
    return ended("published", None, count_cells(fates), columns)


@pytest.fixture
def timed(make_start: Callable[..., Start]) -> Passage:
    """Received at 10 s, prepared from 10.001 to 10.004, its last cell back at 10.020 after a call of 9 ms."""
    arrival = Arrival(make_start(), 0, 1, 10.0)
    prepared = Prepared(NONE, np.empty(0, np.bool_), 1.0, None, 10.001, 10.004)
    passage = Passage(arrival, prepared)
    passage.infer_s, passage.inferred_s = 0.009, 10.020
    return passage


def test_a_bound_belongs_to_the_bucket_below_it() -> None:
    histogram = Histogram((1.0, 2.0))
    for seconds in (0.5, 1.0, 1.5, 2.0, 2.5):
        histogram.add(seconds)
    told = histogram.told()
    assert told == {"count": 5, "sum_s": 7.5, "buckets": [[1.0, 2], [2.0, 4]]}


def test_the_bounds_rise() -> None:
    assert list(BOUNDS_S) == sorted(set(BOUNDS_S))


def test_the_stages_of_a_frame_add_up_to_its_total(timed: Passage) -> None:
    meters = Meters()
    meters.committed([(timed, of_cells([], [], []))], 10.025)
    stages = meters.told()["stages"]
    assert tuple(stages) == STAGES
    seconds = {name: stage["sum_s"] for name, stage in stages.items()}
    assert seconds == pytest.approx(
        {
            "queue": 0.001,
            "prepare": 0.003,
            "wait": 0.007,
            "infer": 0.009,
            "commit": 0.005,
            "total": 0.025,
        }
    )
    assert all(stage["count"] == 1 for stage in stages.values())


def test_a_frame_that_is_not_published_has_a_fate_and_no_time(timed: Passage) -> None:
    meters = Meters()
    ends = ended("failed", "engine: gone"), ended("quarantined", "shape: (1,)")
    meters.committed([(timed, end) for end in ends], 11.0)
    told = meters.told()
    assert told["frames_by_reason"] == {"failed.engine": 1, "quarantined.shape": 1}
    assert told["stages"]["total"]["count"] == 0


def test_reasons_are_bounded(timed: Passage) -> None:
    meters = Meters()
    for number in range(100):
        meters.committed([(timed, ended("dropped", f"r{number}: more"))], 11.0)
    told = meters.told()["frames_by_reason"]
    assert len(told) == 65
    assert told["dropped.other"] == 36
    assert sum(told.values()) == 100


def test_cells_are_counted_by_class_and_only_classified_ones_as_unusual(timed: Passage) -> None:
    meters = Meters(("edge", "T cell", "B cell"))
    status = [CLASSIFIED, CLASSIFIED, CLASSIFIED, REJECTED]
    end = of_cells(status, [2, 0, 2, NO_CLASS], [True, False, False, True])
    meters.committed([(timed, end), (timed, end)], 11.0)
    cells = meters.told()["cells"]
    assert cells["classes"] == {"edge": 2, "T cell": 0, "B cell": 4}
    del cells["classes"]
    assert cells == {
        "found": 8,
        "edge": 0,
        "rejected": 2,
        "over_limit": 0,
        "failed": 0,
        "ood": 2,
    }


def test_a_sync_counts_what_it_made_durable() -> None:
    meters = Meters()
    meters.synced(3, 1000, 0.004)
    meters.synced(1, 10, 0.002)
    told = meters.told()["commit"]
    assert (told["records"], told["bytes"]) == (4, 1010)
    assert (told["fdatasync"]["count"], told["fdatasync"]["sum_s"]) == (2, 0.006)
