"""The whole daemon with a failing engine: served in a thread of this process, so that the fault can be planted."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenostream.daemon.client.errors import Unreachable
from phenostream.daemon.client.sender import Sender
from phenostream.daemon.client.sender_options import SenderSettings
from phenostream.daemon.lifecycle import DEGRADED, FAILED, GOOD
from phenostream.daemon.wire.ingest import Ack, Start
from phenostream.engine.backends.fake import FakeBackend
from phenostream.engine.errors import EngineFault
from phenostream.engine.types import F32, Outputs
from tests.system.served import Served

pytestmark = pytest.mark.system
Image = np.ndarray[Any, Any]
Fault = Callable[[int], Exception | None]


@pytest.fixture
def make_served(
    toy_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Served]]:
    made: list[Served] = []

    def make(**limits: int) -> Served:
        made.append(Served(tmp_path_factory.mktemp("s"), toy_bundle, limits=limits))
        made[-1].start()
        return made[-1]

    yield make
    for served in made:
        if served.is_alive():
            served.drain()


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Callable[[Fault], None]:
    """Have the n-th call of the backend, the warm-up not counted, raise what the fault says."""

    def plant(fault: Fault) -> None:
        infer = FakeBackend.infer
        calls: list[int] = []

        def faulty(backend: FakeBackend, images: F32, background: F32) -> Outputs:
            calls.append(1)
            error = fault(len(calls) - 1)
            if error is not None:
                raise error
            return infer(backend, images, background)

        monkeypatch.setattr(FakeBackend, "infer", faulty)

    return plant


def stream(url: str, start: Start, frame: Image, count: int) -> tuple[dict[str, int], list[Ack]]:
    acks: list[Ack] = []
    with Sender(url, "scope") as sender:
        sender.on_ack = acks.append
        sender.start(start)
        for seq in range(count):
            sender.send(seq, frame)
        return sender.finish().ledger, acks


def test_a_daemon_in_a_thread_drains_when_asked(
    make_served: Callable[..., Served], small_start: Callable[..., Start], small_frame: Image
) -> None:
    served = make_served()
    ledger, _ = stream(served.ingest, small_start(), small_frame, 5)
    assert ledger["published"] == 5
    assert served.ask("model")["model"]["manifest"]["name"] == "toy"
    assert served.drain() == GOOD


def test_cells_beyond_the_limit_are_counted_and_not_classified(
    make_served: Callable[..., Served], small_start: Callable[..., Start], small_frame: Image
) -> None:
    ledger, _ = stream(make_served(max_cells_per_frame=3).ingest, small_start(), small_frame, 4)
    assert (ledger["cells_found"], ledger["cells_over_limit"]) == (16, 4)
    found = ("classified", "edge", "rejected", "over_limit", "failed")
    assert sum(ledger[f"cells_{name}"] for name in found) == 16


def test_a_passing_fault_is_retried_and_costs_nothing(
    make_served: Callable[..., Served],
    small_start: Callable[..., Start],
    small_frame: Image,
    plant: Callable[[Fault], None],
) -> None:
    plant(lambda call: EngineFault("flicker") if call == 2 else None)
    served = make_served()
    ledger, _ = stream(served.ingest, small_start(), small_frame, 10)
    assert (ledger["published"], ledger["failed"]) == (10, 0)
    assert served.drain() == GOOD


def test_a_lasting_fault_fails_frames_with_a_reason_and_the_exit_code_says_degraded(
    make_served: Callable[..., Served],
    small_start: Callable[..., Start],
    small_frame: Image,
    plant: Callable[[Fault], None],
) -> None:
    plant(lambda call: EngineFault("gone") if call else None)
    served = make_served()
    ledger, acks = stream(served.ingest, small_start(), small_frame, 6)
    assert (ledger["received"], ledger["failed"], ledger["failed.engine"]) == (6, 6, 6)
    assert {(ack.fate, ack.reason) for ack in acks} == {("failed", "engine: gone")}
    status = served.ask("status")["status"]
    assert (status["state"], status["faults"]) == (
        "degraded",
        {"engine": "gone; no other backend is left"},
    )
    assert served.drain() == DEGRADED


def test_a_thread_that_dies_ends_the_daemon_with_exit_1_and_its_frames_unacknowledged(
    make_served: Callable[..., Served],
    small_start: Callable[..., Start],
    small_frame: Image,
    plant: Callable[[Fault], None],
) -> None:
    plant(lambda call: ZeroDivisionError("ours") if call > 1 else None)
    served = make_served()
    acks: list[Ack] = []

    def stream_on(sender: Sender) -> None:
        for seq in range(1000):
            sender.send(seq, small_frame)
        sender.finish()

    with Sender(served.ingest, "scope", SenderSettings(reconnect_timeout_s=0.5)) as sender:
        sender.on_ack = acks.append
        sender.start(small_start())
        with pytest.raises(Unreachable, match="not acknowledged"):
            stream_on(sender)
    served.join(30)
    assert served.code == FAILED
    assert len(acks) <= 8
