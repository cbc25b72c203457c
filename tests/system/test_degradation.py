"""A backend that breaks under a running stream: another takes over, every result says so, and it comes back."""

import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from phenostream.daemon.client.control import Control
from phenostream.daemon.client.sender import Sender
from phenostream.daemon.lifecycle import DEGRADED, GOOD
from phenostream.daemon.recordings.replay import replay
from phenostream.daemon.wire.results import FrameRecord, decode_frame
from phenostream.engine.backends.openvino.backend import OpenVinoBackend
from phenostream.engine.bundle import load_bundle
from phenostream.engine.errors import EngineFault
from phenostream.engine.manifest import MarkerTransform
from phenostream.engine.types import F32, Outputs
from tests.system.breakable_daemon import BreakableDaemon
from tests.system.patience import becomes
from tests.system.served import Served
from tests.system.small_camera import small_frame, small_start

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
F64 = npt.NDArray[np.float64]
DEMO = Path(__file__).parents[2] / "deploy" / "demo_bundle"
REAL_CELLS = Path(__file__).parents[1] / "data" / "real_quads.phenorec"


def test_a_switch_under_a_stream_of_real_cells_changes_nothing_beyond_the_tolerance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    infer = OpenVinoBackend.infer
    calls: list[int] = []
    broken = threading.Event()

    def breaks(backend: OpenVinoBackend, images: F32, background: F32) -> Outputs:
        calls.append(len(images))
        if broken.is_set() and len(calls) > 1:
            raise EngineFault("openvino: gone")
        return infer(backend, images, background)

    monkeypatch.setattr(OpenVinoBackend, "infer", breaks)
    model = {"backend": "openvino", "max_batch": 4}
    served = Served(tmp_path, DEMO, model)
    served.start()
    replay(REAL_CELLS, served.ingest)
    calls.clear()
    broken.set()
    replay(REAL_CELLS, served.ingest)
    frames = served.frames()
    whole, switched = (
        sorted(half, key=lambda frame: int(frame.meta["frame_seq"]))
        for half in (frames[: len(frames) // 2], frames[len(frames) // 2 :])
    )
    assert len(whole) == len(switched) == 5
    primary = f"openvino {whole[0].meta['model']['precision']}"
    assert {name for frame in whole for name in frame.meta["model"]["engines"]} == {primary}
    by = {name for frame in switched for name in frame.meta["model"]["engines"]}
    assert by == {primary, "onnxruntime fp32"}
    for frame in switched:
        if frame.meta["model"]["engines"] == ["onnxruntime fp32"]:
            assert frame.meta["degraded"] == ["engine"]
            assert frame.meta["model"]["backend"] == "onnxruntime"
    for before, after in zip(whole, switched, strict=True):
        _assert_equal_within_tolerance(before, after)
    status = served.ask("status")["status"]
    assert status["faults"] == {"engine": "openvino: gone; onnxruntime infers"}
    assert status["fault_history"]["engine"]["count"] == 1
    assert status["ledger"]["total"]["published"] == 10
    broken.clear()
    assert becomes(lambda: not served.ask("status")["status"]["faults"])
    assert served.drain() == GOOD


def _assert_equal_within_tolerance(before: FrameRecord, after: FrameRecord) -> None:
    """Each is within its own tolerance of the truth, hence of the other within the sum of both."""
    manifest = load_bundle(DEMO).manifest
    first, second = (
        manifest.golden[frame.meta["model"]["precision"]].tolerance for frame in (before, after)
    )
    assert before.columns["class"].values.tolist() == after.columns["class"].values.tolist()
    assert before.columns["status"].values.tolist() == after.columns["status"].values.tolist()
    for name, output in (
        ("class_logits", "class_logits"),
        ("marker_z", "marker_z"),
        ("class_probability", "class_probability"),
        ("marker_estimate", "marker_estimate"),
        ("ood_score", "ood_score"),
        ("reject_probability", "reject_probability"),
    ):
        np.testing.assert_allclose(
            after.columns[name].values,
            before.columns[name].values,
            rtol=0,
            atol=first[output] + second[output],
            equal_nan=True,
            err_msg=name,
        )
    transform = manifest.marker_transform
    now, then = _ends_in_z(after, transform), _ends_in_z(before, transform)
    half_width = (then[..., 1] - then[..., 0]) / 2
    each = first["marker_z"] + second["marker_z"]
    allowed = each * (1 + np.maximum(half_width, 1))
    assert (np.abs(now - then) <= allowed[..., None]).all()


def _ends_in_z(frame: FrameRecord, transform: MarkerTransform) -> F64:
    """Interval ends (M, 4, 2), in z, of the cells that the model saw.

    An end is an estimate and a width. A runtime is off by so many parts of a width: of a cell unlike the training's,
    for which the network expects anything, by more than of a golden one, whose half widths are about 1.
    """
    columns = {name: column.values for name, column in frame.columns.items()}
    seen = np.isfinite(columns["reject_probability"])
    ends = np.stack([columns["marker_low"], columns["marker_high"]], axis=2)[seen]
    assert transform.scale == "log10"
    mean, sd = np.array(transform.mean)[:, None], np.array(transform.sd)[:, None]
    in_z: F64 = (np.log10(ends.astype(np.float64)) - mean) / sd
    return in_z


@pytest.fixture
def make_breakable(toy_bundle: Path, tmp_path: Path) -> Iterator[Callable[..., BreakableDaemon]]:
    """Daemon processes on the fake backend with another fake to fall back on, unless told otherwise."""
    made: list[BreakableDaemon] = []

    def make(extra: str = 'fallback = "none"\ncall_timeout_s = 0.5\n') -> BreakableDaemon:
        made.append(BreakableDaemon(tmp_path / f"d{len(made)}", toy_bundle, extra))
        return made[-1]

    (tmp_path / "d0").mkdir()
    yield make
    for daemon in made:
        daemon.kill()


@pytest.mark.parametrize("mood", ["raise", "nan", "hang"])
def test_a_process_whose_only_backend_breaks_for_a_while_gives_every_frame_one_fate_and_recovers(
    make_breakable: Callable[..., BreakableDaemon], mood: str
) -> None:
    daemon = make_breakable()
    ready = daemon.start()
    with Sender(ready["ingest"], "scope") as sender:
        start = small_start()
        sender.start(start)
        for seq in range(10):
            sender.send(seq, small_frame())
        with Control(ready["control"]) as control:
            assert becomes(lambda: _total(control)["published"] == 10)
            daemon.set_mood(mood)
            for seq in range(10, 20):
                sender.send(seq, small_frame())
            assert becomes(lambda: _total(control)["failed"] == 10)
            assert control.status()["state"] == "degraded"
            daemon.set_mood("well")
            assert becomes(lambda: control.status()["state"] == "ready")
            for seq in range(20, 30):
                sender.send(seq, small_frame())
            ledger = sender.finish().ledger
            frames = _results(control)
    assert (ledger["received"], ledger["published"], ledger["failed"]) == (30, 20, 10)
    assert sorted(frame.meta["frame_seq"] for frame in frames) == list(range(30))
    _assert_sound_cells_are_the_same(frames)
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == GOOD


def test_poisoned_cells_are_told_as_failed_and_their_frames_are_published(
    make_breakable: Callable[..., BreakableDaemon],
) -> None:
    daemon = make_breakable()
    ready = daemon.start()
    with Sender(ready["ingest"], "scope") as sender, Control(ready["control"]) as control:
        sender.start(small_start())
        sender.send(0, small_frame())
        assert becomes(lambda: _total(control)["published"] == 1)
        daemon.set_mood("nan_first")
        for seq in range(1, 30):
            sender.send(seq, small_frame())
        ledger = sender.finish().ledger
        frames = _results(control)
        told = control.status()["inference"]
    assert (ledger["received"], ledger["published"]) == (30, 30)
    names = ("classified", "edge", "rejected", "over_limit", "failed")
    assert ledger["cells_found"] == sum(ledger[f"cells_{name}"] for name in names) == 120
    assert ledger["cells_failed"] == told["cells_failed"] > 0
    assert told["backends"][0]["outages"] == 0
    failed = [(frame.columns["status"].values == 4).sum() for frame in frames]
    assert sum(failed) == ledger["cells_failed"]
    _assert_sound_cells_are_the_same(frames)


def test_a_drain_ends_well_although_a_thread_is_stuck_for_good(
    make_breakable: Callable[..., BreakableDaemon],
) -> None:
    daemon = make_breakable('fallback = "none"\ncall_timeout_s = 0.5\nstreams = 1\n')
    ready = daemon.start()
    with Sender(ready["ingest"], "scope") as sender:
        sender.start(small_start())
        daemon.set_mood("hang")
        for seq in range(5):
            sender.send(seq, small_frame())
        with Control(ready["control"]) as control:
            assert becomes(lambda: _total(control)["failed"] > 0)
            (row,) = control.status()["inference"]["backends"]
            assert (row["state"], row["stuck"]) == ("down", 1)
            daemon.send(signal.SIGTERM)
    assert daemon.wait() == DEGRADED


def test_a_runtime_that_hangs_is_replaced_by_the_next_and_comes_back_when_it_returns(
    tmp_path: Path,
) -> None:
    daemon = BreakableDaemon(tmp_path, DEMO, "call_timeout_s = 2.0\n", backend="openvino")
    ready = daemon.start()
    try:
        with Sender(ready["ingest"], "scope") as sender, Control(ready["control"]) as control:
            sender.start(small_start())
            sender.send(0, small_frame())
            assert becomes(lambda: _total(control)["published"] == 1)
            daemon.set_mood("hang")
            for seq in range(1, 10):
                sender.send(seq, small_frame())
            assert becomes(lambda: _total(control)["published"] == 10)
            fault = control.status()["faults"]["engine"]
            assert fault == "openvino: no answer for 2 s; onnxruntime infers"
            daemon.set_mood("well")
            assert becomes(lambda: control.status()["state"] == "ready")
            sender.send(10, small_frame())
            ledger = sender.finish().ledger
            by = [frame.meta["model"]["backend"] for frame in _results(control)]
        assert (ledger["received"], ledger["published"]) == (11, 11)
        assert (by[0], by[-1]) == ("openvino", "openvino")
        assert by[1:10] == ["onnxruntime"] * 9
        daemon.send(signal.SIGTERM)
        assert daemon.wait() == GOOD
    finally:
        daemon.kill()


def _assert_sound_cells_are_the_same(frames: list[FrameRecord]) -> None:
    """All frames hold the same picture: every cell that was classified has the numbers of the first frame's."""
    first = frames[0].columns
    for frame in frames:
        if frame.meta["fate"] != "published":
            assert frame.meta["degraded"] == ["engine"]
            continue
        sound = frame.columns["status"].values == 0
        for name, column in frame.columns.items():
            np.testing.assert_array_equal(column.values[sound], first[name].values[sound], name)


def _total(control: Control) -> dict[str, int]:
    ledger: dict[str, int] = control.status()["ledger"]["total"]
    return ledger


def _results(control: Control) -> list[FrameRecord]:
    records: list[Any] = []
    while (batch := control.get(records[-1].offset + 1 if records else 0)).records:
        records += batch.records
    return [decode_frame(one.payload) for one in records if one.topic == "result"]
