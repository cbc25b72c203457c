"""systemd is told that all goes on only while it does, and the daemon says what does not."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from phenostream.daemon.health import Health
from phenostream.daemon.watchdog import FAULT, LIFE_S, STALLED_S, Watchdog

LIMIT_S = 15.0
THREADS = ("ingest", "infer-0", "commit")


class Scene:
    """Three threads, a clock to be set, and systemd's end of the socket."""

    def __init__(self, listener: socket.socket, now: list[float]) -> None:
        self.health, self.hung, self.now = Health(), None, now
        self._listener = listener
        self.beat(*THREADS)

    hung: str | None

    def watchdog(self, limit_s: float | None = LIMIT_S) -> Watchdog:
        return Watchdog(self.health, lambda: self.hung, limit_s)

    def beat(self, *threads: str) -> None:
        for thread in threads:
            self.health.beat(thread)

    def fed(self) -> int:
        """Times that the watchdog was fed since this was asked last."""
        count = 0
        while True:
            try:
                assert self._listener.recv(100) == b"WATCHDOG=1"
            except BlockingIOError:
                return count
            count += 1


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield Scene(listener, now)


def test_threads_that_wait_for_work_are_enough(scene: Scene) -> None:
    watchdog = scene.watchdog()
    for _ in range(100):
        scene.now[0] += watchdog.tick_s(1.0)
        scene.beat(*THREADS)
        watchdog.look()
        assert scene.fed() == 1
    assert scene.health.faults() == ()


@pytest.mark.parametrize("silent", THREADS)
def test_one_thread_that_hangs_is_caught_within_the_limit_and_a_second(
    scene: Scene, silent: str
) -> None:
    """systemd acts when it was not fed for its limit: so what counts is the last time after the hang."""
    watchdog, hangs_s = scene.watchdog(), scene.now[0]
    last_s = 0.0
    while scene.now[0] < hangs_s + LIMIT_S:
        scene.now[0] += watchdog.tick_s(1.0)
        scene.beat(*(name for name in THREADS if name != silent))
        watchdog.look()
        if scene.fed():
            last_s = scene.now[0]
    assert hangs_s < last_s <= hangs_s + LIFE_S < hangs_s + 1
    assert scene.health.snapshot()["faults"] == {FAULT: silent}


def test_a_call_that_returns_in_time_is_forgiven(scene: Scene) -> None:
    watchdog = scene.watchdog()
    scene.now[0] += 9.0
    watchdog.look()
    assert scene.fed() == 0
    scene.beat(*THREADS)
    watchdog.look()
    assert scene.fed() == 1
    assert scene.health.faults() == ()


def test_engines_that_no_call_comes_back_from_are_a_hang_although_every_thread_lives(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    watchdog, scene.hung = scene.watchdog(), "inference: fake: no answer for 10 s"
    watchdog.look()
    assert scene.fed() == 0
    assert scene.health.snapshot()["faults"] == {FAULT: scene.hung}
    assert caplog.messages == [
        f"no sign of life from {scene.hung}; systemd ends this daemon in 15 s"
    ]


def test_a_full_disk_is_no_hang(scene: Scene) -> None:
    watchdog = scene.watchdog()
    scene.health.degrade("journal", "no space left on device")
    watchdog.look()
    assert scene.fed() == 1


def test_without_a_watchdog_nothing_is_sent_and_silence_is_still_a_fault(scene: Scene) -> None:
    watchdog = scene.watchdog(None)
    assert watchdog.tick_s(1.0) == 1.0
    watchdog.look()
    for _ in range(11):
        scene.now[0] += STALLED_S / 10
        watchdog.look()
    assert scene.fed() == 0
    assert scene.health.snapshot()["faults"] == {FAULT: "commit, infer-0, ingest"}
