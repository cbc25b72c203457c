from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phenostream.engine.errors import EngineFault
from phenostream.engine.manifest import MarkerTransform
from phenostream.engine.summary.context import SummaryContext
from phenostream.engine.summary.facts import FlaggedFrames, wilson_interval
from phenostream.engine.summary.window import WindowStatistics
from phenostream.engine.types import CLASSES, MARKERS, FrameFlags

Columns = dict[str, npt.NDArray[Any]]
TRANSFORM = MarkerTransform(scale="log10", mean=(1, 1, 2, 2), sd=(0.5, 0.4, 0.3, 0.2))
CONTEXT = SummaryContext(
    CLASSES, MARKERS, "a.u.", TRANSFORM, (1, 1, 1, 2), 0.9, True, True, False, "demo 1"
)


def _frame(seed: int, n: int) -> Columns:
    rng = np.random.default_rng(seed)
    status = rng.choice(4, n, p=[0.7, 0.1, 0.1, 0.1]).astype(np.uint8)
    z = rng.normal(size=(n, 4)).astype(np.float32)
    z[(status == 1) | (status == 3)] = np.nan
    return {
        "status": status,
        "class": np.where(status == 0, rng.integers(0, 3, n), 255).astype(np.uint8),
        "class_probability": rng.dirichlet([1, 1, 1], n).astype(np.float32),
        "marker_z": z,
        "ood": rng.random(n) < 0.2,
    }


def test_counts_and_shares_are_exact() -> None:
    window = WindowStatistics(CONTEXT)
    frames = [_frame(seed, 50) for seed in range(3)]
    for frame in frames:
        window.add(frame)
    facts = window.facts()
    status = np.concatenate([f["status"] for f in frames])
    kind = np.concatenate([f["class"] for f in frames])[status == 0]
    ood = np.concatenate([f["ood"] for f in frames])[status == 0]
    assert facts.frames == 3
    assert facts.found == 150
    fates = (facts.classified, facts.edge, facts.rejected, facts.over_limit)
    assert fates == tuple(np.bincount(status, minlength=4))
    assert [c.count for c in facts.classes] == np.bincount(kind, minlength=3).tolist()
    assert sum(c.share for c in facts.classes) == pytest.approx(1)
    assert facts.unusual == ood.sum()


def test_marker_quartiles_are_those_of_the_cells_in_the_declared_unit() -> None:
    window = WindowStatistics(CONTEXT)
    frame = _frame(1, 2000)
    window.add(frame)
    of_class = (frame["status"] == 0) & (frame["class"] == 1)
    cd16 = window.facts().classes[1].markers[3]
    expected = 10 ** (np.quantile(frame["marker_z"][of_class, 3], [0.25, 0.5, 0.75]) * 0.2 + 2)
    got = (cd16.lower_quartile, cd16.median, cd16.upper_quartile)
    assert cd16.cell_low == pytest.approx(cd16.median / 10 ** (2 * 0.2))
    assert cd16.cell_high == pytest.approx(cd16.median * 10 ** (2 * 0.2))
    assert cd16.name == "CD16"
    assert got == pytest.approx(expected.tolist(), rel=0.01)


def test_confidence_is_the_mean_probability_of_the_predicted_class() -> None:
    window = WindowStatistics(CONTEXT)
    frame = _frame(2, 100)
    window.add(frame)
    chosen = frame["status"] == 0
    p = frame["class_probability"][chosen, frame["class"][chosen]]
    assert window.facts().mean_confidence == pytest.approx(float(p.mean()), rel=1e-5)


@settings(deadline=None)
@given(sizes=st.lists(st.integers(0, 20), max_size=6), cut=st.integers(0, 6))
def test_merged_windows_equal_one_window(sizes: list[int], cut: int) -> None:
    whole, first, second = (WindowStatistics(CONTEXT) for _ in range(3))
    for seed, n in enumerate(sizes):
        whole.add(_frame(seed, n))
        (first if seed < cut else second).add(_frame(seed, n))
    first.merge(second)
    a, b = whole.facts(), first.facts()
    assert a.mean_confidence == pytest.approx(b.mean_confidence)
    assert (a.found, a.unusual, a.frames) == (b.found, b.unusual, b.frames)
    for one, other in zip(a.classes, b.classes, strict=True):
        assert (one.count, one.markers) == (other.count, other.markers)
    for mine, theirs in zip(whole.tally.spread.arrays(), first.tally.spread.arrays(), strict=True):
        assert np.array_equal(mine, theirs)


def test_flagged_frames_are_counted_once_and_merge() -> None:
    first, second = WindowStatistics(CONTEXT), WindowStatistics(CONTEXT)
    first.add(_frame(0, 3), FrameFlags(dark=True, noisy=True))
    first.add(_frame(1, 3))
    second.add(_frame(2, 0), FrameFlags(saturated=True))
    first.merge(second)
    assert first.facts().flagged == FlaggedFrames(frames=2, dark=1, saturated=1, noisy=1)
    assert first.facts().frames == 3


def test_windows_of_two_models_do_not_merge() -> None:
    other = SummaryContext(
        CLASSES, MARKERS, "a.u.", TRANSFORM, (1, 1, 1, 2), 0.9, True, True, False, "demo 2"
    )
    with pytest.raises(EngineFault, match="demo 2"):
        WindowStatistics(CONTEXT).merge(WindowStatistics(other))


def test_a_window_of_any_length_holds_the_same_memory() -> None:
    window = WindowStatistics(CONTEXT)
    before = window.tally.z.nbytes
    for seed in range(20):
        window.add(_frame(seed, 100))
    assert window.tally.z.nbytes == before


def test_an_empty_window_has_no_confidence_and_no_markers() -> None:
    facts = WindowStatistics(CONTEXT).facts()
    assert (facts.found, facts.mean_confidence, facts.majority) == (0, None, None)
    assert all(not c.markers for c in facts.classes)


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (0, 0, 0.0, 1.0)],
)
def test_wilson_interval_gives_the_published_values(
    count: int, total: int, low: float, high: float
) -> None:
    assert wilson_interval(count, total) == pytest.approx((low, high), abs=1e-4)


def test_a_model_without_intervals_and_score_has_none_in_its_facts() -> None:
    bare = replace(CONTEXT, half_width_z=None, interval_coverage=None, scores_ood=False)
    window = WindowStatistics(bare)
    window.add(_frame(1, 50))
    facts = window.facts()
    assert (facts.unusual, facts.unusual_share, facts.interval_coverage) == (None, None, None)
    markers = [marker for one in facts.classes for marker in one.markers]
    assert markers
    assert all((marker.cell_low, marker.cell_high) == (None, None) for marker in markers)
    assert all(marker.median > 0 for marker in markers)


def test_a_linear_scale_is_not_raised_to_a_power() -> None:
    linear = MarkerTransform(scale="linear", mean=(0, 0, 0, 5), sd=(1, 1, 1, 2))
    window = WindowStatistics(replace(CONTEXT, marker_transform=linear))
    frame = _frame(1, 400)
    window.add(frame)
    of_class = (frame["status"] == 0) & (frame["class"] == 1)
    cd16 = window.facts().classes[1].markers[3]
    assert cd16.median == pytest.approx(2 * np.median(frame["marker_z"][of_class, 3]) + 5, abs=0.05)
    assert cd16.cell_high == pytest.approx(cd16.median + 2 * 2)
