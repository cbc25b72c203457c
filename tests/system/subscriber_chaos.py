"""Subscribers that are killed, stopped, slowed and reconnected at random while frames stream and the daemon dies too.

The daemon's queue for one subscriber is the smallest there is, so live copies are lost all the time. In the end what
every subscriber kept must be the journal, byte for byte and in order. `test_subscriber_chaos` asserts that; whoever
wants the figures calls `subscriber_chaos`.
"""

import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from phenostream.daemon.client.sender import Sender
from phenostream.daemon.client.sender_options import SenderSettings
from phenostream.daemon.journal.log import Journal
from phenostream.daemon.wire.ingest import Ack, Start
from tests.system.daemon_process import ROOT, DaemonProcess
from tests.system.subscriber_process import Kept, kept

SETTINGS: Final = "[results]\nsend_budget_bytes = 1048576\n"
"""For the daemon's configuration: the smallest budget, two results of the largest size."""
_PACES_MS: Final = (0.0, 0.0, 5.0, 20.0)
_END_TIMEOUT_S: Final = 90.0


@dataclass(frozen=True, slots=True)
class ChaosReport:
    """What was done, and what became of it.

    Attributes:
        done: How often each thing was done.
        frames: Sent, each until it was acknowledged.
        records: In the journal.
        missing: Records that a subscriber does not have, over all subscribers.
        doubled: Records that one has twice.
        differing: Subscribers whose records are not those of the journal, in its order, byte for byte.
    """

    seed: int
    done: dict[str, int]
    frames: int
    records: int
    missing: int
    doubled: int
    differing: int

    @property
    def sound(self) -> bool:
        """Whether every subscriber has exactly the journal."""
        return not (self.missing or self.doubled or self.differing)


def subscriber_chaos(
    daemon: DaemonProcess,
    start: Start,
    frame: Any,
    *,
    steps: int,
    seed: int,
    subscribers: int = 3,
) -> ChaosReport:
    """Let it happen.

    Args:
        daemon: Not started; `SETTINGS` is in its configuration.
        start: Of the run that is streamed.
        frame: Every frame of it.
        steps: Things that are done, each after some frames more.
        seed: Of what is done, when and to whom.
        subscribers: How many.
    """
    chance = random.Random(seed)  # noqa: S311 - instants, not secrets
    daemon.start()
    source = _Source(daemon.ready["ingest"], start, frame)
    crowd = [_Subscriber(daemon, number) for number in range(subscribers)]
    done: Counter[str] = Counter()
    try:
        for one in crowd:
            one.begin(0.0)
        source.start()
        for _ in range(steps):
            source.wait_for_more(chance.randint(1, 12))
            done[_something(chance, daemon, chance.choice(crowd))] += 1
        source.finish()
        for one in crowd:
            one.end()
    finally:
        source.enough.set()
        for one in crowd:
            one.kill()
        daemon.kill()
    return _judged(seed, dict(done), source, daemon.folder / "journal", crowd)


def _something(chance: random.Random, daemon: DaemonProcess, one: "_Subscriber") -> str:
    """Do one thing and say what."""
    if chance.random() < 0.08:
        daemon.kill()
        daemon.start()
        return "daemon killed"
    if one.stopped or chance.random() < 0.4:
        one.toggle()
        return "stopped" if one.stopped else "continued"
    one.kill()
    pace_ms = chance.choice(_PACES_MS)
    one.begin(pace_ms)
    return "killed, back slow" if pace_ms else "killed, back"


def _judged(
    seed: int,
    done: dict[str, int],
    source: "_Source",
    journal: Path,
    crowd: list["_Subscriber"],
) -> ChaosReport:
    held: list[Kept] = []
    Journal(
        journal,
        on_record=lambda record: held.append((record.offset, record.topic, record.payload)),
    ).close()
    offsets = Counter(offset for offset, _, _ in held)
    missing = doubled = differing = 0
    for one in crowd:
        got = [record for record, _ in kept(one.path)]
        seen = Counter(offset for offset, _, _ in got)
        missing += (offsets - seen).total()
        doubled += (seen - offsets).total()
        differing += got != held
    return ChaosReport(seed, done, source.acked, len(held), missing, doubled, differing)


@dataclass
class _Subscriber:
    """A subscriber's file, and the process that fills it now."""

    daemon: DaemonProcess
    number: int
    stopped: bool = False
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def path(self) -> Path:
        """What it kept, over all its lives."""
        return self.daemon.folder / f"kept-{self.number}"

    def begin(self, pace_ms: float) -> None:
        """Begin, or go on where the last life ended."""
        command = [sys.executable, "-m", "tests.system.subscriber_process"]
        ready = self.daemon.ready
        words = [ready["results"], ready["control"], str(self.path), str(pace_ms)]
        log = self.path.with_suffix(".log")
        with log.open("ab") as errors:
            self._process = subprocess.Popen([*command, *words], stderr=errors, cwd=ROOT)

    def toggle(self) -> None:
        """SIGSTOP, or SIGCONT."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT if self.stopped else signal.SIGSTOP)
        self.stopped = not self.stopped

    def kill(self) -> None:
        """kill -9, if it lives."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process, self.stopped = None, False

    def end(self) -> None:
        """Let it follow to the end of the run."""
        if self.stopped:
            self.toggle()
        assert self._process is not None
        code = self._process.wait(_END_TIMEOUT_S)
        self._process = None
        assert code == 0, self.path.with_suffix(".log").read_text()


class _Source(threading.Thread):
    """Sends frames as fast as it may until it has sent enough, through every restart of the daemon."""

    def __init__(self, url: str, start: Start, frame: Any) -> None:
        super().__init__(name="source", daemon=True)
        self._url, self._start, self._frame = url, start, frame
        self._progressed = threading.Condition()
        self._failure: BaseException | None = None
        self.acked = 0
        self.enough = threading.Event()

    def run(self) -> None:
        try:
            settings = SenderSettings(reconnect_timeout_s=60)
            with Sender(self._url, self._start.instrument, settings) as sender:
                sender.on_ack = self._note
                sender.start(self._start)
                seq = 0
                while not self.enough.is_set():
                    sender.send(seq, self._frame)
                    sender.wait(0.004)
                    seq += 1
                sender.finish()
        except BaseException as err:
            self._failure = err
        finally:
            with self._progressed:
                self._progressed.notify_all()

    def wait_for_more(self, count: int) -> None:
        """Until `count` more frames are acknowledged."""
        goal = self.acked + count
        with self._progressed:
            assert self._progressed.wait_for(lambda: self.acked >= goal or not self.is_alive(), 60)
        assert self._failure is None, self._failure

    def finish(self) -> None:
        """End the run."""
        self.enough.set()
        self.join(90)
        assert not self.is_alive()
        assert self._failure is None, self._failure

    def _note(self, _ack: Ack) -> None:
        with self._progressed:
            self.acked += 1
            self._progressed.notify_all()
