"""The sender against a small scripted daemon: a ROUTER in a thread that can die, hold back and refuse."""

import os
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import zmq

from phenostream.daemon.client.errors import (
    Cancelled,
    Incomplete,
    Refusal,
    TimedOut,
    Unreachable,
)
from phenostream.daemon.client.sender import Sender
from phenostream.daemon.client.sender_options import SenderSettings, SenderState
from phenostream.daemon.client.stream import SourceFrame, stream
from phenostream.daemon.run_id import new_run_id
from phenostream.daemon.wire import ingest
from phenostream.engine.errors import BadFrame, BadInput

SIDE = 128
FRAME_BYTES = 4 * SIDE * SIDE


def a_start(**changes: object) -> ingest.Start:
    facts: dict[str, object] = {
        "run": new_run_id(),
        "instrument": "scope",
        "pixel_size_um": 0.2,
        "dark_level": 0.0,
        "white_level": 255.0,
        "bit_depth": 8,
        "dtype": "u8",
        "height": SIDE,
        "width": SIDE,
        "shots": ("left", "right", "top", "bottom"),
        "wavelength_um": 0.53,
        "numerical_aperture": 0.5,
        "synthetic": True,
        "source_utc_ns": 1,
    }
    return ingest.Start.model_validate(facts | changes)


def image(seq: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    return np.full((4, SIDE, SIDE), seq % 251, np.uint8)


@dataclass
class Script:
    """What a daemon does, and (`journal`) what it had on disk before.

    Attributes:
        ack_every: Acknowledge all outstanding frames when there are so many, and at END.
        die_after: Close the socket, as kill -9 does, after so many frames of this life.
        swallow: Frames never acknowledged nor counted.
        forget: Frames acknowledged and then missing in the report.
        refuse: Reason per frame_seq; each said once.
    """

    credit_bytes: int = 4 * FRAME_BYTES
    ack_every: int = 1
    die_after: int | None = None
    acks_before_death: bool = False
    swallow: frozenset[int] = frozenset()
    forget: frozenset[int] = frozenset()
    refuse: dict[int, str] = field(default_factory=dict)
    refuse_start: str | None = None
    mute: bool = False
    silent_report: bool = False
    die_after_end: bool = False
    journal: dict[int, bytes] = field(default_factory=dict)


class ScriptedDaemon:
    """Serves in its own thread until closed; raises what went wrong there on leaving.

    Set `release` and everything outstanding is acknowledged, now and from then on.
    """

    def __init__(self, url: str, script: Script) -> None:
        self.url, self.script = url, script
        self.frames: list[int] = []
        self.starts: list[bytes] = []
        self.outstanding: dict[int, int] = {}
        self.most_outstanding = 0
        self.refused: list[int] = []
        self.release = threading.Event()
        self._last: tuple[Callable[[ingest.FromDaemon], None], str] | None = None
        self._bound, self._stop = threading.Event(), threading.Event()
        self.arrived = threading.Condition()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "ScriptedDaemon":
        self._thread.start()
        assert self._bound.wait(5)
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self.join()

    def join(self) -> None:
        self._thread.join(10)
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        router = context.socket(zmq.ROUTER)
        router.setsockopt(zmq.LINGER, 1000 if self.script.die_after_end else 0)
        try:
            router.bind(self.url)
            self._bound.set()
            while not self._stop.is_set() and not self._dead:
                if router.poll(5):
                    peer, header, *data = router.recv_multipart()
                    self._serve(router, peer, header, data)
                    with self.arrived:
                        self.arrived.notify_all()
                if self.release.is_set() and self._last is not None:
                    self._settle(*self._last)
        except BaseException as err:
            self._error = err
        finally:
            router.close(0)
            context.term()

    @property
    def _dead(self) -> bool:
        after = self.script.die_after
        return after is not None and len(self.frames) >= after

    def _last_acked(self) -> int | None:
        n = 0
        while n in self.script.journal:
            n += 1
        return n - 1 if n else None

    def _serve(
        self, router: "zmq.Socket[bytes]", peer: bytes, header: bytes, data: list[bytes]
    ) -> None:
        def answer(message: ingest.FromDaemon) -> None:
            router.send_multipart([peer, ingest.encode(message)])

        message = ingest.decode_from_source(header)
        if self.script.mute:
            return
        if isinstance(message, ingest.Hello):
            answer(ingest.Welcome(max_message_bytes=1 << 20, credit_bytes=self.script.credit_bytes))
        elif isinstance(message, ingest.Start):
            self.starts.append(header)
            if self.script.refuse_start is not None:
                answer(ingest.Refused(reason=self.script.refuse_start, run=message.run))
            else:
                answer(ingest.Started(run=message.run, last_acked=self._last_acked()))
        elif isinstance(message, ingest.FrameHeader):
            self._frame(answer, message, data[0])
        elif message.type == "end":
            self._settle(answer, message.run)
            self._report(answer, message)

    def _frame(
        self, answer: Callable[[ingest.FromDaemon], None], header: ingest.FrameHeader, data: bytes
    ) -> None:
        seq, self._last = header.frame_seq, (answer, header.run)
        assert header.crc32 in (None, zlib.crc32(data))
        if seq in self.script.refuse:
            self.refused.append(seq)
            reason = self.script.refuse.pop(seq)
            answer(ingest.Refused(reason=reason, run=header.run, frame_seq=seq))
            return
        self.frames.append(seq)
        if seq in self.script.swallow:
            return
        if seq in self.script.journal:
            answer(ingest.Ack(run=header.run, frame_seq=seq, fate="published"))
            return
        self.outstanding[seq] = len(data)
        self.most_outstanding = max(self.most_outstanding, sum(self.outstanding.values()))
        self.script.journal.update(self._journaled(seq, data))
        if len(self.outstanding) >= self.script.ack_every and not (
            self._dead and not self.script.acks_before_death
        ):
            self._settle(answer, header.run)

    def _journaled(self, seq: int, data: bytes) -> dict[int, bytes]:
        return {seq: data[:1]} if not self._dead else {}

    def _settle(self, answer: Callable[[ingest.FromDaemon], None], run: str) -> None:
        for seq in list(self.outstanding):
            del self.outstanding[seq]
            answer(ingest.Ack(run=run, frame_seq=seq, fate="published"))

    def _report(self, answer: Callable[[ingest.FromDaemon], None], end: ingest.End) -> None:
        n = len(self.script.journal.keys() - self.script.forget)
        ledger = {"received": n, "published": n, "in_flight": 0, "missing": end.n_frames - n}
        if not self.script.silent_report:
            answer(ingest.Report(run=end.run, ledger=ledger))
        if self.script.die_after_end:
            self._stop.set()


@contextmanager
def succeeded(killed: ScriptedDaemon, script: Script) -> Iterator[ScriptedDaemon]:
    """A second daemon at the same address, started as soon as the first is dead."""
    successor = ScriptedDaemon(killed.url, script)

    def restart() -> None:
        killed.join()
        successor.__enter__()

    restarter = threading.Thread(target=restart)
    restarter.start()
    try:
        yield successor
    finally:
        restarter.join(10)
        successor.__exit__()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"ipc://{tmp_path}/in.sock"


QUICK = SenderSettings(connect_timeout_s=5, reconnect_timeout_s=5, report_timeout_s=5)


@pytest.fixture
def sender(url: str) -> Iterator[Sender]:
    with Sender(url, "scope", QUICK) as made:
        yield made


def frames(n: int) -> list[SourceFrame]:
    return [SourceFrame(seq, image(seq)) for seq in range(n)]


def test_a_run_ends_with_an_exact_report(url: str, sender: Sender) -> None:
    acked: list[int] = []
    sender.on_ack = lambda ack: acked.append(ack.frame_seq)
    with ScriptedDaemon(url, Script()) as daemon:
        report = stream(sender, a_start(), frames(20))
    assert report.ledger["received"] == report.ledger["published"] == 20
    assert daemon.frames == acked == list(range(20))
    assert sender.counts.published == 20
    assert sender.counts.unacked == sender.counts.unacked_bytes == 0


def test_a_probe_hears_a_daemon_and_opens_no_run(url: str, sender: Sender) -> None:
    with ScriptedDaemon(url, Script()) as daemon:
        assert sender.probe().credit_bytes == Script().credit_bytes
        assert daemon.starts == []
        assert stream(sender, a_start(), frames(2)).ledger["received"] == 2


def test_frames_that_were_expected_and_never_sent_are_announced_at_the_end(
    url: str, sender: Sender
) -> None:
    ends: list[int] = []
    with ScriptedDaemon(url, Script()), pytest.MonkeyPatch.context() as patch:
        plain = ingest.End

        def heard(*, run: str, n_frames: int) -> ingest.End:
            ends.append(n_frames)
            return plain(run=run, n_frames=n_frames)

        patch.setattr(ingest, "End", heard)
        sender.start(a_start())
        sender.send(0, image(0))
        sender.finish(5)
    assert ends == [5]


def test_every_byte_arrives_as_it_was_given(url: str, sender: Sender) -> None:
    script = Script()
    with ScriptedDaemon(url, script):
        stream(sender, a_start(), frames(10))
    assert script.journal == {seq: bytes([seq]) for seq in range(10)}


@pytest.mark.parametrize("n_credit", [1, 3, 5])
def test_unacknowledged_bytes_never_exceed_the_credit_and_use_all_of_it(
    url: str, sender: Sender, n_credit: int
) -> None:
    script = Script(credit_bytes=n_credit * FRAME_BYTES, ack_every=n_credit)
    with ScriptedDaemon(url, script) as daemon:
        stream(sender, a_start(), frames(15))
    assert daemon.most_outstanding == n_credit * FRAME_BYTES


def test_a_credit_below_one_frame_lets_one_frame_go(url: str, sender: Sender) -> None:
    with ScriptedDaemon(url, Script(credit_bytes=10)) as daemon:
        stream(sender, a_start(), frames(4))
    assert daemon.most_outstanding == FRAME_BYTES


def test_without_credit_a_send_times_out_and_the_frame_is_not_taken(url: str) -> None:
    settings = replace(QUICK, send_timeout_s=0.05)
    script = Script(credit_bytes=2 * FRAME_BYTES, ack_every=99)
    with ScriptedDaemon(url, script) as daemon, Sender(url, "scope", settings) as sender:
        sender.start(a_start())
        sender.send(0, image(0))
        sender.send(1, image(1))
        with pytest.raises(TimedOut, match=r"credit for frame 2 within 0\.05 s.*: 0, 1$"):
            sender.send(2, image(2))
        assert sender.counts.sent == sender.counts.unacked == 2
        daemon.release.set()
        sender.finish()
        assert daemon.frames == [0, 1]


def test_a_cancel_event_ends_a_blocked_send(url: str) -> None:
    cancel = threading.Event()
    script = Script(credit_bytes=FRAME_BYTES, ack_every=99)
    with ScriptedDaemon(url, script) as daemon, Sender(url, "scope", QUICK, cancel) as sender:
        sender.start(a_start())
        sender.send(0, image(0))
        with daemon.arrived:
            assert daemon.arrived.wait_for(lambda: daemon.frames == [0], 5)
        threading.Timer(0.05, cancel.set).start()
        with pytest.raises(Cancelled, match="credit for frame 1"):
            sender.send(1, image(1))


@pytest.mark.parametrize("acks_before_death", [True, False])
def test_a_killed_and_restarted_daemon_gets_what_it_has_not_acknowledged_in_order(
    url: str, sender: Sender, acks_before_death: bool
) -> None:
    start = a_start()
    journal: dict[int, bytes] = {}
    first = Script(ack_every=3, die_after=8, acks_before_death=acks_before_death, journal=journal)
    states: list[SenderState] = []
    sender.on_state = states.append
    killed = ScriptedDaemon(url, first)
    with killed, succeeded(killed, Script(journal=journal)) as restarted:
        report = stream(sender, start, frames(20))
    assert report.ledger["received"] == 20
    assert sorted(journal) == list(range(20))
    assert restarted.frames == sorted(restarted.frames)
    assert restarted.starts == killed.starts == [ingest.encode(start)]
    assert states[1:3] == [SenderState.STREAMING, SenderState.LOST]
    counts = sender.counts
    assert counts.reconnects == 1
    assert counts.published + counts.settled_unseen == counts.sent == 20


def test_a_daemon_that_died_before_its_report_is_told_the_end_again(
    url: str, sender: Sender
) -> None:
    journal: dict[int, bytes] = {}
    killed = ScriptedDaemon(url, Script(ack_every=99, die_after=3, journal=journal))
    with killed, succeeded(killed, Script(journal=journal)) as restarted:
        sender.start(a_start())
        for seq in range(3):
            sender.send(seq, image(seq))
        assert sender.finish().ledger["received"] == 3
    assert restarted.frames == [2]


def test_a_daemon_that_does_not_come_back_is_reported_with_the_frames_at_stake(url: str) -> None:
    settings = replace(QUICK, reconnect_timeout_s=0.2)
    daemon = ScriptedDaemon(url, Script(ack_every=99, die_after=2))
    with (
        daemon,
        Sender(url, "scope", settings) as sender,
        pytest.raises(Unreachable, match=r"no daemon within 0\.2 s.*not acknowledged: 0, 1$"),
    ):
        stream(sender, a_start(), frames(2))


def test_nobody_there_is_said_within_the_connect_timeout(url: str) -> None:
    with (
        Sender(url, "scope", replace(QUICK, connect_timeout_s=0.1)) as sender,
        pytest.raises(Unreachable, match="nothing listens there"),
    ):
        sender.start(a_start())


def test_a_peer_that_answers_nothing_is_told_from_no_peer(url: str) -> None:
    settings = replace(QUICK, connect_timeout_s=0.2)
    with (
        ScriptedDaemon(url, Script(mute=True)),
        Sender(url, "scope", settings) as sender,
        pytest.raises(Unreachable, match="no WELCOME"),
    ):
        sender.start(a_start())


def test_a_daemon_started_later_is_found(url: str, sender: Sender) -> None:
    late = ScriptedDaemon(url, Script())
    threading.Timer(0.1, late.__enter__).start()
    assert stream(sender, a_start(), frames(2)).ledger["received"] == 2
    late.__exit__()


def test_a_peer_that_accepts_and_never_speaks_times_out(url: str) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(url.removeprefix("ipc://"))
        listener.listen()
        settings = replace(QUICK, connect_timeout_s=0.2)
        with (
            Sender(url, "scope", settings) as sender,
            pytest.raises(Unreachable, match="no WELCOME"),
        ):
            sender.start(a_start())


def test_an_interrupted_run_goes_on_where_the_daemon_stands(url: str, sender: Sender) -> None:
    script = Script(journal=dict.fromkeys(range(6), b""))
    with ScriptedDaemon(url, script) as daemon:
        report = stream(sender, a_start(), frames(10))
    assert daemon.frames == [6, 7, 8, 9]
    assert report.ledger["received"] == 10


def test_frames_that_never_get_a_fate_are_named(url: str) -> None:
    settings = replace(QUICK, report_timeout_s=0.1)
    with (
        ScriptedDaemon(url, Script(swallow=frozenset({2, 4}))),
        Sender(url, "scope", settings) as sender,
        pytest.raises(TimedOut, match=r"no report within 0\.1 s; not acknowledged: 2, 4$"),
    ):
        stream(sender, a_start(), frames(6))


def test_a_ledger_that_misses_an_acknowledged_frame_is_not_accepted(
    url: str, sender: Sender
) -> None:
    script = Script(forget=frozenset({2}))
    with (
        ScriptedDaemon(url, script),
        pytest.raises(Incomplete, match="sent 6, the daemon received 5 and settled 5"),
    ):
        stream(sender, a_start(), frames(6))


def test_a_report_that_never_comes_times_out(url: str) -> None:
    settings = replace(QUICK, report_timeout_s=0.1)
    with (
        ScriptedDaemon(url, Script(silent_report=True)),
        Sender(url, "scope", settings) as sender,
        pytest.raises(TimedOut, match=r"no report within 0\.1 s"),
    ):
        stream(sender, a_start(), frames(2))


def test_a_refused_frame_raises_with_the_reason(url: str, sender: Sender) -> None:
    with (
        ScriptedDaemon(url, Script(refuse={1: "late: frame_seq 1"})),
        pytest.raises(Refusal, match="frame 1: late: frame_seq 1"),
    ):
        stream(sender, a_start(), frames(3))


def test_a_refused_frame_goes_to_the_callback_and_out_of_the_account(
    url: str, sender: Sender
) -> None:
    refused: list[int | None] = []
    sender.on_refused = lambda message: refused.append(message.frame_seq)
    with ScriptedDaemon(url, Script(refuse={1: "late: frame_seq 1"})):
        assert stream(sender, a_start(), frames(3)).ledger["received"] == 2
    assert refused == [1]
    assert sender.counts.refused == 1


def test_a_frame_beyond_the_daemons_credit_is_sent_again(url: str, sender: Sender) -> None:
    with ScriptedDaemon(url, Script(refuse={1: "credit: 3 bytes"})) as daemon:
        assert stream(sender, a_start(), frames(4)).ledger["received"] == 4
    assert daemon.refused == [1]


def test_hello_first_makes_the_handshake_again(url: str, sender: Sender) -> None:
    with ScriptedDaemon(url, Script(refuse={1: "hello first: frame before hello"})) as daemon:
        assert stream(sender, a_start(), frames(4)).ledger["received"] == 4
    assert len(daemon.starts) == 2
    assert sender.counts.reconnects == 1


def test_a_refused_start_raises_at_once(url: str, sender: Sender) -> None:
    with (
        ScriptedDaemon(url, Script(refuse_start="conflict: run began with another start")),
        pytest.raises(Refusal, match="conflict: run began"),
    ):
        sender.start(a_start())


def test_a_draining_daemon_is_dialled_again_until_the_timeout(url: str) -> None:
    settings = replace(QUICK, connect_timeout_s=0.15)
    with ScriptedDaemon(url, Script(refuse_start="draining: stopping")) as daemon:
        with Sender(url, "scope", settings) as sender, pytest.raises(Refusal, match="draining"):
            sender.start(a_start())
        assert len(daemon.starts) > 1


BAD_FRAMES: list[tuple[str, object, str]] = [
    ("shape", np.zeros((4, SIDE, SIDE + 1), np.uint8), "shape"),
    ("dtype", np.zeros((4, SIDE, SIDE), np.uint16), "uint16"),
    ("length", bytes(FRAME_BYTES - 1), f"{FRAME_BYTES - 1} bytes"),
]


@pytest.mark.parametrize(("what", "data", "text"), BAD_FRAMES, ids=[c[0] for c in BAD_FRAMES])
def test_a_frame_that_is_not_what_start_announced_stays_here(
    url: str, sender: Sender, what: str, data: bytes, text: str
) -> None:
    with ScriptedDaemon(url, Script()) as daemon:
        sender.start(a_start())
        with pytest.raises(BadFrame, match=text):
            sender.send(0, data)
        sender.finish()
    assert daemon.frames == []


def test_a_number_is_sent_once(url: str, sender: Sender) -> None:
    with ScriptedDaemon(url, Script()):
        sender.start(a_start())
        sender.send(0, image(0))
        with pytest.raises(BadFrame, match="frame_seq: 0 was sent before"):
            sender.send(0, image(0))


def test_calls_out_of_order_say_so(url: str, sender: Sender) -> None:
    with pytest.raises(BadInput, match="no run is open"):
        sender.send(0, image(0))
    with pytest.raises(BadInput, match="this sender is scope"):
        sender.start(a_start(instrument="other"))
    with ScriptedDaemon(url, Script()):
        sender.start(a_start())
        with pytest.raises(BadInput, match="still open"):
            sender.start(a_start())


def test_runs_follow_each_other_on_one_sender(url: str, sender: Sender) -> None:
    script = Script()
    with ScriptedDaemon(url, script):
        stream(sender, a_start(), frames(3))
        script.journal.clear()
        assert stream(sender, a_start(), frames(2)).ledger["received"] == 2
    assert sender.counts.sent == 2


def test_a_daemon_that_stops_after_its_report_is_no_loss(url: str, sender: Sender) -> None:
    for _ in range(5):
        with ScriptedDaemon(url, Script(die_after_end=True)):
            stream(sender, a_start(), frames(2))
        assert sender.counts.reconnects == 0


def test_a_checksum_is_sent_when_asked(url: str) -> None:
    with ScriptedDaemon(url, Script()), Sender(url, "scope", replace(QUICK, crc=True)) as sender:
        assert stream(sender, a_start(), frames(3)).ledger["received"] == 3


def test_a_rate_is_kept_and_acknowledgements_are_taken_meanwhile(url: str, sender: Sender) -> None:
    unacked: list[int] = []
    with ScriptedDaemon(url, Script()):
        began = time.monotonic()
        stream(sender, a_start(), frames(6), 50.0, lambda counts: unacked.append(counts.unacked))
        assert time.monotonic() - began >= 5 / 50
    assert max(unacked) <= 2


def test_the_callers_buffer_is_held_until_its_acknowledgement(url: str, sender: Sender) -> None:
    data = bytearray(os.urandom(FRAME_BYTES))
    script = Script(ack_every=99)
    with ScriptedDaemon(url, script) as daemon:
        sender.start(a_start())
        sender.send(0, data)
        with daemon.arrived:
            assert daemon.arrived.wait_for(lambda: daemon.frames == [0], 5)
        with pytest.raises(BufferError):
            data.append(0)
        daemon.release.set()
        sender.finish()
    assert sender.counts.unacked == 0
