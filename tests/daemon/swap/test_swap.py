"""A swap from its bundle to its end: whatever goes wrong, the model that works serves, and nothing is left behind."""

import gc
import os
import threading
import weakref
from contextlib import ExitStack
from dataclasses import fields
from itertools import groupby
from pathlib import Path

import pytest

from phenostream.daemon import priority
from phenostream.daemon.pipeline.entries import ModelChanged, ModelClosed
from phenostream.daemon.swap.run import PROBATION_FRAMES
from phenostream.daemon.swap.state import SwapSettings
from phenostream.daemon.wire.control import ModelLoad
from phenostream.deploy.bundle_signing import make_signing_keys
from phenostream.engine.backends import registry
from phenostream.engine.backends.options import BackendOptions
from phenostream.engine.backends.protocol import Backend
from phenostream.engine.bundle import Bundle
from phenostream.engine.errors import BadInput
from tests.daemon.native_threads import native_thread
from tests.daemon.swap.conftest import MAX_SLOWDOWN, World


def test_a_model_that_agrees_serves_from_one_frame_to_the_next(world: World) -> None:
    world.stream()
    swap = world.swap(world.bundle("2"))
    assert (swap.state, swap.reason) == ("serving", None)
    assert world.models.serving.manifest.version == "2"
    assert world.models.standby is None
    assert [version for version, _ in groupby(world.by)] == ["1", "2"]
    assert swap.frames >= PROBATION_FRAMES
    assert swap.report is not None
    assert (swap.report["agreement"], swap.report["cells"]) == (1.0, swap.cells)
    assert swap.report["slowdown"] > 0
    assert swap.probation is not None
    assert swap.probation["agreement"] == 1.0
    changed, closed = world.entries
    assert isinstance(changed, ModelChanged)
    assert (changed.before.manifest.version, changed.after.manifest.version) == ("1", "2")
    assert changed.facts["report"] == swap.report
    assert "100.00% of" in changed.why
    assert isinstance(closed, ModelClosed)
    assert closed.model is changed.before
    assert [(backend.odd, backend.closed) for backend in world.opened] == [
        ("1", True),
        ("2", False),
    ]


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        ("other", "the models decide alike for "),
        ("shifted", "CD45 is shifted by +0.250 standard deviations over "),
        ("slow", "of the other model, allowed 1.5 times"),
        ("fails", "fake: broken on live cells"),
    ],
)
def test_a_model_that_breaks_a_limit_on_live_cells_never_serves(
    world: World, odd: str, reason: str
) -> None:
    world.stream()
    usual = SwapSettings(Path()).max_slowdown
    swap = world.swap(world.bundle(odd), max_slowdown=usual if odd == "slow" else MAX_SLOWDOWN)
    assert swap.state == "refused"
    assert swap.reason is not None
    assert reason in swap.reason
    assert set(world.by) == {"1"}
    assert world.entries == []
    assert [backend.closed for backend in world.opened] == [False, True]
    assert world.shadow.take(0.0) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"marker_unit": "ng"}, "marker_unit: ng, the model that serves has a.u.: "),
        ({"shot_sets": [["left", "right"]]}, "shot_sets: left+right, the model that serves has "),
        (
            {"reduction_kernel": "bsccm-gaussian"},
            "reduction_kernel: bsccm-gaussian, the model that",
        ),
        ({"classes": ["a", "b", "c"]}, "manifest.json: classes: expected"),
        ({"markers": ["a", "b", "c", "d"]}, "manifest.json: markers: expected"),
    ],
)
def test_a_model_that_would_be_fed_or_read_otherwise_is_refused_before_a_runtime_sees_it(
    world: World, changes: dict[str, object], reason: str
) -> None:
    swap = world.swap(world.bundle("2", **changes))
    assert swap.state == "refused"
    assert swap.reason is not None
    assert reason in swap.reason
    assert "\n" not in swap.reason
    assert len(world.opened) == 1


def test_a_folder_without_a_bundle_an_edited_one_and_an_untrusted_one_are_refused(
    world: World, tmp_path: Path
) -> None:
    assert "manifest.json is missing" in str(world.swap(tmp_path / "nothing").reason) or (
        "nothing" in str(world.swap(tmp_path / "nothing").reason)
    )
    edited = world.bundle("2")
    (edited / "model.onnx").write_bytes(b"\x08\x0b")
    assert "model.onnx: expected sha256" in str(world.swap(edited).reason)
    _, public, _ = make_signing_keys(tmp_path / "keys", "lab")
    world.swapper._config = world.config.model_copy(update={"trusted_keys": (public,)})
    assert "is not signed, trusted are lab" in str(world.swap(world.bundle("2")).reason)
    assert len(world.opened) == 1
    assert world.swapper.told()["number"] == 4


@pytest.mark.parametrize("odd", ["fails", "other", "shifted", "slow"])
def test_a_model_that_breaks_its_promise_while_it_serves_is_taken_back(
    world: World, odd: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phenostream.daemon.swap.run.PROBATION_FRAMES", 1_000_000)
    world.stream()
    world.ask(world.bundle("2"))
    world.until(lambda: world.swapper.told()["state"] == "probation")
    world.opened[1].odd = odd
    if odd == "slow":
        world.shadow._pace.seconds += 100.0
    swap = world.ended()
    assert swap.state == "rolled_back"
    assert swap.reason
    assert world.models.serving.manifest.version == "1"
    last = [entry for entry in world.entries if isinstance(entry, ModelChanged)][-1]
    assert last.after.manifest.version == "1"
    assert last.why == f"taken back: {swap.reason}"
    (closed,) = [entry for entry in world.entries if isinstance(entry, ModelClosed)]
    assert closed.model.manifest.version == "2"
    world.until(lambda: world.by[-1] == "1")
    assert [backend.closed for backend in world.opened] == [False, True]


def test_without_a_comparison_only_a_fault_takes_a_model_back(world: World) -> None:
    world.stream()
    swap = world.swap(world.bundle("other"), now=True)
    assert (swap.state, swap.report) == ("serving", None)
    assert world.models.serving.manifest.version == "other"
    world.ask(world.bundle("3"), now=True)
    world.until(lambda: world.swapper.told()["state"] == "probation")
    world.opened[-1].odd = "fails"
    assert world.ended().state == "rolled_back"
    assert world.models.serving.manifest.version == "other"


@pytest.mark.parametrize("ended", ["cancelled", "the daemon stops"])
def test_a_model_that_needs_no_comparison_does_not_serve_if_it_was_given_up_while_it_loaded(
    world: World, ended: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads, go_on = threading.Event(), threading.Event()
    make = registry.BACKENDS["fake"]

    def wait(bundle: Bundle, options: BackendOptions) -> Backend:
        loads.set()
        assert go_on.wait(20)
        return make(bundle, options)

    monkeypatch.setitem(registry.BACKENDS, "fake", wait)
    world.stream()
    world.ask(world.bundle("2"), now=True)
    assert loads.wait(20)
    if ended == "cancelled":
        world.swapper.cancel()
    else:
        world.swapper.stop()
    go_on.set()
    swap = world.ended()
    assert swap.state == "cancelled"
    assert ended in str(swap.reason)
    world.until(lambda: len(world.by) > 0)
    assert set(world.by) == {"1"}
    assert world.entries == []
    assert [backend.closed for backend in world.opened] == [False, True]


def test_a_model_that_serves_well_is_not_taken_back_because_the_one_before_fails(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = "phenostream.daemon.swap.run.PROBATION_FRAMES"
    monkeypatch.setattr(frames, 1_000_000)
    world.stream()
    world.ask(world.bundle("2"))
    world.until(lambda: world.swapper.told()["state"] == "probation")
    world.until(lambda: world.by[-1] == "2")  # no frame is in the model before any more
    world.opened[0].odd = "fails"
    calls = world.opened[0].calls
    world.until(lambda: world.opened[0].calls > calls)  # it is asked
    monkeypatch.setattr(frames, 1)
    swap = world.ended()
    assert (swap.state, swap.reason) == ("serving", None)
    assert world.models.serving.manifest.version == "2"


def test_a_failure_that_was_over_before_anybody_looked_takes_a_model_back_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phenostream.daemon.swap.run.PROBATION_FRAMES", 1_000_000)
    world.stream()
    world.ask(world.bundle("2"))
    world.until(lambda: world.swapper.told()["state"] == "probation")
    engines = world.models.serving.engines
    row = engines.choose()
    assert row is not None
    engines.put_down(row, "fake: gone")
    engines.test(row, due=False)
    assert engines.fault() is None
    assert world.ended().state == "rolled_back"


def test_a_model_that_hangs_on_live_cells_is_refused_and_closed_when_it_returns(
    world: World,
) -> None:
    world.swapper._config = world.config.model_copy(update={"call_timeout_s": 0.5})
    world.stream()
    swap = world.swap(world.bundle("hangs"))
    assert (swap.state, swap.reason) == ("refused", "fake: no answer for 0.5 s")
    hung = world.opened[1]
    assert not hung.closed  # somebody is inside
    hung.released.set()
    world.until(lambda: hung.closed)
    assert world.swap(world.bundle("2")).state == "serving"


def test_a_new_model_can_be_taken_back_while_the_one_before_hangs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phenostream.daemon.swap.run.PROBATION_FRAMES", 1_000_000)
    row = world.models.serving.engines.choose()
    assert row is not None
    row.limit_s = 0.5
    world.stream()
    world.ask(world.bundle("2"))
    world.until(lambda: world.swapper.told()["state"] == "probation")
    world.until(lambda: world.by[-1] == "2")  # no frame is in the model before any more
    world.opened[0].odd = "hangs"
    world.until(lambda: row.stuck == 1)
    world.opened[1].odd = "fails"
    assert world.ended().state == "rolled_back"
    world.opened[0].released.set()
    world.until(lambda: row.stuck == 0)


def test_too_few_live_cells_are_a_refusal_that_says_so(world: World) -> None:
    swap = world.swap(world.bundle("2"), wait_s=0.3)
    assert swap.state == "refused"
    assert swap.reason == (
        "0 of 64 live cells came in 0.3 s; ask for fewer, wait longer, or flip without a comparison"
    )


def test_a_probation_without_frames_ends_with_the_time(world: World) -> None:
    world.ask(world.bundle("2"), now=True, wait_s=0.3)
    world.until(lambda: world.swapper.told()["in_state_s"] > 0.4)
    world.models.take_flips()  # the prepare thread looks also when no frame comes
    assert world.ended().state == "serving"


def test_a_model_that_cannot_be_closed_costs_no_further_swap(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise OSError("device is gone")

    world.stream()
    monkeypatch.setattr(world.opened[0], "close", refuse)
    assert world.swap(world.bundle("2"), now=True).state == "serving"
    assert world.swap(world.bundle("3"), now=True).state == "serving"


@pytest.mark.parametrize("state", ["comparing", "probation"])
def test_a_swap_can_be_cancelled_at_any_time_before_its_end(world: World, state: str) -> None:
    world.stream()
    world.ask(world.bundle("2"), cells=64 if state == "probation" else 1_000_000)
    world.until(lambda: world.swapper.told()["state"] == state)
    assert world.swapper.cancel()["under_way"]
    swap = world.ended()
    assert swap.state == ("rolled_back" if state == "probation" else "cancelled")
    assert swap.reason == "cancelled by an operator"
    assert world.models.serving.manifest.version == "1"
    assert [backend.closed for backend in world.opened] == [False, True]
    with pytest.raises(BadInput, match="no swap is under way"):
        world.swapper.cancel()


def test_one_swap_at_a_time_and_none_when_the_daemon_stops(world: World) -> None:
    world.stream()
    world.ask(world.bundle("2"), cells=1_000_000)
    world.until(lambda: world.swapper.told()["state"] == "comparing")
    with pytest.raises(BadInput, match=r"swap 1 is under way \(comparing\)"):
        world.ask(world.bundle("3"))
    world.swapper.stop()
    swap = world.ended()
    assert (swap.state, swap.reason) == ("cancelled", "the daemon stops")
    with pytest.raises(BadInput, match="the daemon stops"):
        world.ask(world.bundle("3"))


@pytest.mark.skipif(
    not priority.may_be_behind(), reason="this process may not make a thread less nice again"
)
def test_a_model_that_gets_the_threads_of_a_closed_one_serves_as_fast_as_any(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenVINO keeps the threads of a closed model and gives them to the next one of the same settings."""
    make, own = registry.BACKENDS["fake"], os.getpriority(os.PRIO_PROCESS, os.getpid())
    pool: list[int] = []

    def nicer() -> set[int]:
        return {os.getpriority(os.PRIO_PROCESS, number) - own for number in pool}

    with ExitStack() as threads:

        def pooled(bundle: Bundle, options: BackendOptions) -> Backend:
            if not pool:
                pool.append(threads.enter_context(native_thread()))
            return make(bundle, options)

        monkeypatch.setitem(registry.BACKENDS, "fake", pooled)
        world.stream()
        assert world.swap(world.bundle("other")).state == "refused"
        assert nicer() == {0}
        world.ask(world.bundle("2"), cells=1_000_000)
        world.until(lambda: world.swapper.told()["state"] == "comparing" and nicer() != {0})
        world.swapper.cancel()
        assert world.ended().state == "cancelled"
        assert nicer() == {0}
        for version in ("2", "3"):
            assert world.swap(world.bundle(version)).state == "serving"
            assert nicer() == {0}
        assert len(pool) == 1


def test_ten_swaps_leave_no_thread_and_no_open_model_behind(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phenostream.daemon.swap.run.PROBATION_FRAMES", 20)
    world.stream()
    bundles = [world.bundle("2"), world.bundle("3")]
    assert world.swap(bundles[0]).state == "serving"
    before = {thread.name for thread in threading.enumerate()}
    for number in range(10):
        assert world.swap(bundles[number % 2]).state == "serving"
    assert {thread.name for thread in threading.enumerate()} == before
    assert [backend.closed for backend in world.opened] == [True] * 11 + [False]
    assert len(world.models._under_way) == len(world.models._done) == 1


def test_a_model_that_left_is_freed_at_once_and_not_when_the_garbage_collector_comes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phenostream.daemon.swap.run.PROBATION_FRAMES", 20)
    world.stream()
    gc.collect()
    gc.disable()
    try:
        assert world.swap(world.bundle("2")).state == "serving"
        second = weakref.ref(world.models.serving.engines)
        assert world.swap(world.bundle("3")).state == "serving"
        world.entries.clear()
        world.until(lambda: second() is None)
    finally:
        gc.enable()


def test_what_may_be_asked_for_is_what_the_request_says() -> None:
    request = ModelLoad(v=1, id=1, type="model_load", bundle="/b")
    for one in fields(SwapSettings)[1:]:
        assert getattr(request, one.name) == one.default, one.name
