"""The wall clock jumps by a day, the monotonic one as after a suspend: no frame, duration or window goes wrong."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from phenostream.daemon.client.sender import Sender
from phenostream.daemon.lifecycle import GOOD
from tests.system.patience import becomes
from tests.system.served import Served
from tests.system.small_camera import small_frame, small_start

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
DAY_S = 86_400
HOUR_MS = 3_600_000.0


class Clocks:
    """The process's clocks, each a while ahead or behind."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.utc_s = self.monotonic_s = 0
        time_ns, monotonic = time.time_ns, time.monotonic
        monkeypatch.setattr(time, "time_ns", lambda: time_ns() + self.utc_s * 10**9)
        monkeypatch.setattr(time, "monotonic", lambda: monotonic() + self.monotonic_s)


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    """Clocks of this process, in which the daemon is served."""
    return Clocks(monkeypatch)


def _streamed(
    folder: Path, bundle: Path, jumps: dict[int, Callable[[], None]]
) -> tuple[dict[str, int], Served]:
    """Thirty frames with jumps before some of them; every frame before a jump has its fate by then."""
    served = Served(folder, bundle, {"call_timeout_s": 0.5})
    served.start()
    with Sender(served.ingest, "scope") as sender:
        sender.start(small_start())
        for seq in range(30):
            if seq in jumps:
                # Frames of both sides of the jump are under way, so that what is measured over it would show.
                assert becomes(partial(_has_published, served, seq - 2))
                jumps[seq]()
            sender.send(seq, small_frame())
        return sender.finish().ledger, served


def _has_published(served: Served, frames: int) -> bool:
    published: int = served.ask("status")["status"]["ledger"]["total"]["published"]
    return published >= frames


def test_a_wall_clock_that_jumps_moves_its_own_stamp_and_nothing_else(
    tmp_path: Path, toy_bundle: Path, clocks: Clocks
) -> None:
    def to(seconds: int) -> Callable[[], None]:
        return lambda: setattr(clocks, "utc_s", seconds)

    ledger, served = _streamed(tmp_path, toy_bundle, {8: to(DAY_S), 16: to(-DAY_S), 24: to(0)})
    assert (ledger["received"], ledger["published"], ledger["missing"]) == (30, 30, 0)
    frames = sorted(served.frames(), key=lambda frame: int(frame.meta["frame_seq"]))
    stamps = [frame.meta["received_utc_ns"] / 1e9 for frame in frames]
    assert stamps[8] - stamps[7] > DAY_S / 2
    assert stamps[16] - stamps[15] < -DAY_S
    monotonic = [frame.meta["received_monotonic_ns"] for frame in frames]
    assert monotonic == sorted(monotonic)
    for frame in frames:
        assert all(0 <= ms < HOUR_MS for ms in frame.meta["timing_ms"].values()), frame.meta
        assert frame.meta["degraded"] == []
    assert served.ask("status")["status"]["faults"] == {}
    assert served.drain() == GOOD


def test_a_monotonic_clock_that_jumps_as_after_a_suspend_gives_up_on_nothing(
    tmp_path: Path, toy_bundle: Path, clocks: Clocks
) -> None:
    def later() -> None:
        clocks.monotonic_s += DAY_S
        clocks.utc_s += DAY_S

    ledger, served = _streamed(tmp_path, toy_bundle, {10: later, 20: later})
    assert (ledger["received"], ledger["published"], ledger["missing"]) == (30, 30, 0)
    frames = served.frames()
    assert {frame.meta["model"]["backend"] for frame in frames} == {"fake"}
    assert all(min(frame.meta["timing_ms"].values()) >= 0 for frame in frames)
    status = served.ask("status")["status"]
    assert status["inference"]["calls_given_up"] == 0
    assert "engine" not in status["fault_history"]
    assert becomes(lambda: served.ask("status")["status"]["faults"] == {})
    assert served.drain() == GOOD
