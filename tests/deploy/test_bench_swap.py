"""What `bench swap` compares: frames of the same number, those that arrived during the swap and no others."""

from pathlib import Path

import pytest

from phenostream.deploy.bench import swap
from phenostream.deploy.bench.latency import TimedFrame
from phenostream.deploy.bundles import demo_bundle
from phenostream.engine.bundle import load_bundle
from phenostream.engine.errors import EngineFault


def frame(seq: int, whole_ms: float, model: str = "old", fate: str = "published") -> TimedFrame:
    return TimedFrame(seq, 1000 * seq, whole_ms, 1.0, 4, fate, None, model)


def watched(*states: tuple[str, int]) -> swap._Watched:
    return swap._Watched(list(states), {"state": "serving"})


SWAP = watched(("asked", 2000), ("loading", 2500), ("probation", 4000), ("serving", 6000))


def test_only_frames_that_arrived_during_the_swap_count_each_beside_its_own_number() -> None:
    calm = [frame(seq, 10.0 + seq) for seq in (3, 1, 2, 0, 5, 4, 7)]
    busy = [frame(seq, 20.0 + seq) for seq in range(8)]
    same = swap._same_frames(calm, busy, SWAP)
    assert [one.whole_ms for one in same] == [(12, 22), (13, 23), (14, 24), (15, 25)]
    assert [one.phase for one in same] == ["asked", "loading", "probation", "probation"]
    assert same[0].added_ms == (11.0, 21.0)
    first, *_ = swap._phases(same)
    assert (first.phase, first.frames, first.p99_ms) == ("asked", 1, (12.0, 22.0))


def test_a_pair_tells_what_was_not_published_and_a_model_that_came_back() -> None:
    models = ["old", "old", "new", "old", "new"]
    busy = [frame(seq, 2.0, model) for seq, model in enumerate(models)]
    busy[1] = frame(1, 2.0, "old", "failed")
    same = swap._same_frames([frame(seq, 1.0) for seq in range(5)], busy, SWAP)
    pair = swap._pair(same, list(reversed(busy)), SWAP)
    assert (pair.unpublished, pair.turned_back, pair.frames) == (1, 2, 3)
    assert (pair.p50_ms, pair.p99_ms) == ((1.0, 2.0), (1.0, 2.0))
    assert pair.by_model == {"old": 3, "new": 2}


def test_one_step_from_old_to_new_is_no_turning_back() -> None:
    busy = [frame(seq, 1.0, "old" if seq < 3 else "new") for seq in range(6)]
    same = swap._same_frames(busy, busy, SWAP)
    assert swap._pair(same, busy, SWAP).turned_back == 0


def test_the_percentage_is_the_median_of_the_pairs_own() -> None:
    assert swap._percent([(10.0, 11.0), (20.0, 21.0), (1.0, 2.0)]) == (10.0, 7.5, 55.0)


def test_a_swap_without_a_frame_in_it_is_no_figure() -> None:
    with pytest.raises(EngineFault, match="no frame arrived during the swap"):
        swap._pair([], [frame(0, 1.0)], SWAP)


def test_the_twin_is_the_same_model_under_another_name(tmp_path: Path) -> None:
    twin = load_bundle(swap.write_twin(demo_bundle(), tmp_path / "twin"))
    shipped = load_bundle(demo_bundle())
    assert twin.files == shipped.files
    assert twin.manifest.version == f"{shipped.manifest.version}-twin"
    assert twin.sha256 != shipped.sha256
