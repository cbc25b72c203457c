"""Subscriber and control client against a scripted daemon: an XPUB and a ROUTER over one list."""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from phenostream.daemon.client import subscriber
from phenostream.daemon.client.control import Control
from phenostream.daemon.client.errors import JournalReplaced, Refusal, TimedOut, Unreachable
from phenostream.daemon.client.subscriber import Record, Subscriber
from phenostream.daemon.wire.codec import pack, unpack_header
from phenostream.daemon.wire.results import (
    FrameRecord,
    WireColumn,
    encode_frame,
    encode_offset,
)
from phenostream.engine.errors import BadConfig, BadInput, BadMessage


def status(event: str, run: str | None = "r") -> tuple[str, bytes]:
    return "status", pack({"v": 1, "type": "status", "event": event, "run": run})


def result(seq: int, run: str = "r") -> tuple[str, bytes]:
    columns = {"x_px": WireColumn(np.arange(3, dtype=np.float32) + seq, "px")}
    meta = {"run": run, "frame_seq": seq, "fate": "published"}
    return "result", encode_frame(FrameRecord(meta, columns))


class ScriptedResults:
    """A daemon's results and control endpoints; what it does is put in by `do` and done in order.

    `per_reply` records go into one replay answer.
    """

    def __init__(self, folder: Path, journal: list[tuple[str, bytes]] | None = None) -> None:
        self.results, self.control = f"ipc://{folder}/results", f"ipc://{folder}/control"
        self.journal = [] if journal is None else journal
        self.asked: list[dict[str, Any]] = []
        self.open_runs: list[dict[str, Any]] = []
        self.per_reply = 2
        self.oldest = self.welcomes_lost = 0
        self.damaged: set[int] = set()
        self.mangle: Callable[[list[bytes]], list[bytes]] = lambda parts: parts
        self._todo: queue.Queue[Callable[[], object]] = queue.Queue()
        self._stop, self._bound = threading.Event(), threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "ScriptedResults":
        self._thread.start()
        assert self._bound.wait(5)
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join(10)
        if self._error is not None:
            raise self._error

    def publish(self, *records: tuple[str, bytes]) -> None:
        """Append to the journal and publish."""
        for record in records:
            self._todo.put(lambda record=record: self._append(record, True))  # type: ignore[misc]

    def lose(self, *records: tuple[str, bytes]) -> None:
        """Append to the journal; no subscriber sees it."""
        for record in records:
            self._todo.put(lambda record=record: self._append(record, False))  # type: ignore[misc]

    def mark(self, runs: dict[str, Any] | None = None) -> None:
        self._todo.put(lambda: self._mark(runs or {}))

    def _append(self, record: tuple[str, bytes], say: bool) -> None:
        self.journal.append(record)
        if say:
            offset = encode_offset(len(self.journal) - 1)
            self._xpub.send_multipart([record[0].encode(), offset, record[1]])

    def _mark(self, runs: dict[str, Any]) -> None:
        newest = len(self.journal) - 1 if self.journal else None
        part = encode_offset(2**64 - 1 if newest is None else newest)
        said = {"v": 1, "newest": newest, "runs": runs}
        self._xpub.send_multipart([b"highwater", part, pack(said)])

    def _run(self) -> None:
        with contextlib.ExitStack() as stack:
            context: zmq.Context[zmq.Socket[bytes]] = stack.enter_context(zmq.Context())
            self._xpub = stack.enter_context(context.socket(zmq.XPUB))
            self._xpub.setsockopt(zmq.XPUB_VERBOSE, 1)
            router = stack.enter_context(context.socket(zmq.ROUTER))
            try:
                self._xpub.bind(self.results)
                router.bind(self.control)
                self._bound.set()
                while not self._stop.is_set() or not self._todo.empty():
                    self._serve(router)
            except BaseException as err:
                self._error = err

    def _serve(self, router: "zmq.Socket[bytes]") -> None:
        if self._xpub.poll(1) and self._xpub.recv() == b"\x01welcome":
            if self.welcomes_lost:
                self.welcomes_lost -= 1
            else:
                self._xpub.send(b"welcome")
        if router.poll(1):
            peer, request = router.recv_multipart()
            router.send_multipart([peer, *self.mangle(self._reply(unpack_header(request)))])
        with contextlib.suppress(queue.Empty):
            self._todo.get_nowait()()

    def _reply(self, request: dict[str, Any]) -> list[bytes]:
        self.asked.append(request)
        head: dict[str, Any] = {"v": 1, "type": request["type"], "id": request["id"]}
        if request["type"] == "runs":
            return [pack(head | {"runs": self.open_runs})]
        if request["type"] != "get":
            return [pack(head | {request["type"]: {"state": "ready"}})]
        first = max(request["since"], self.oldest)
        records = self.journal[first : first + self.per_reply]
        parts = [
            part
            for offset, (topic, payload) in enumerate(records, first)
            if offset not in self.damaged
            for part in (topic.encode(), encode_offset(offset), payload)
        ]
        newest = len(self.journal) - 1 if self.journal else None
        places = {"newest": newest, "oldest": self.oldest}
        places["next"] = first + len(records) if records else request["since"]
        return [pack(head | {"type": "records"} | places), *parts]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[ScriptedResults]:
    with ScriptedResults(tmp_path) as made:
        yield made


def take(records: Iterator[Record], n: int) -> list[int]:
    return [next(records).offset for _ in range(n)]


def test_after_wait_subscribed_nothing_is_missed(daemon: ScriptedResults) -> None:
    for _ in range(20):
        n = len(daemon.journal)
        with Subscriber(daemon.results) as results:
            results.wait_subscribed()
            daemon.publish(status("a"), status("b"))
            assert take(iter(results), 2) == [n, n + 1]


def test_a_welcome_that_was_lost_is_asked_for_again(
    daemon: ScriptedResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriber, "_ASK_AGAIN_S", 0.0)
    daemon.welcomes_lost = 2
    with Subscriber(daemon.results) as results:
        results.wait_subscribed()
    assert daemon.welcomes_lost == 0


def test_results_come_as_typed_columns(daemon: ScriptedResults) -> None:
    with Subscriber(daemon.results) as results:
        results.wait_subscribed()
        daemon.publish(result(4))
        record = next(iter(results))
    assert record.facts["frame_seq"] == 4
    column = record.frame.columns["x_px"]
    assert column.unit == "px"
    assert column.values.dtype == np.float32
    assert column.values.tolist() == [4, 5, 6]
    assert not column.values.flags.writeable


def test_only_a_result_has_a_frame() -> None:
    with pytest.raises(BadInput, match="offset 3: a status"):
        _ = Record("status", 3, {}).frame


def test_a_gap_is_told_without_a_control_endpoint(daemon: ScriptedResults) -> None:
    gaps: list[tuple[int, int]] = []
    with Subscriber(daemon.results) as results:
        results.on_gap = lambda first, last: gaps.append((first, last))
        results.wait_subscribed()
        daemon.publish(status("a"))
        daemon.lose(status("b"), status("c"))
        daemon.publish(status("d"))
        assert take(iter(results), 2) == [0, 3]
    assert gaps == [(1, 2)]


def test_a_gap_is_repaired_from_the_journal(daemon: ScriptedResults) -> None:
    with Subscriber(daemon.results, daemon.control) as results:
        results.wait_subscribed()
        daemon.publish(status("a"))
        daemon.lose(*(status("lost") for _ in range(5)))
        daemon.publish(status("d"))
        assert take(iter(results), 7) == list(range(7))


def test_a_lost_tail_shows_at_the_high_water_mark(daemon: ScriptedResults) -> None:
    with Subscriber(daemon.results, daemon.control) as results:
        results.wait_subscribed()
        daemon.publish(status("a"))
        daemon.lose(status("b"), status("c"))
        daemon.mark()
        assert take(iter(results), 3) == [0, 1, 2]


def test_since_reads_the_past_and_then_goes_on_live_without_a_seam(tmp_path: Path) -> None:
    journal = [status("old") for _ in range(9)]
    with (
        ScriptedResults(tmp_path, journal) as daemon,
        Subscriber(daemon.results, daemon.control, 3) as results,
    ):
        results.wait_subscribed()
        daemon.publish(status("new"), status("new"))
        records = iter(results)
        assert take(records, 8) == list(range(3, 11))


def test_what_waits_in_memory_is_one_reply_not_the_journal(tmp_path: Path) -> None:
    with (
        ScriptedResults(tmp_path, [status("old") for _ in range(50)]) as daemon,
        Subscriber(daemon.results, daemon.control, 0) as results,
    ):
        next(iter(results))
        assert [request["type"] for request in daemon.asked].count("get") == 1


def opened(run: str, first_offset: int) -> dict[str, Any]:
    return {"v": 1, "event": "run_open", "run": run, "first_offset": first_offset}


def test_who_comes_late_knows_the_open_runs_before_their_first_result(tmp_path: Path) -> None:
    """Each run once: by what the daemon says, or by its own run_started record."""
    journal = [status("run_started", "a"), result(0, "a")]
    order: list[tuple[str, int]] = []
    with ScriptedResults(tmp_path, journal) as daemon:
        daemon.open_runs = [opened("a", 0)]
        with Subscriber(daemon.results, daemon.control) as results:
            results.on_run = lambda start: order.append((start.facts["event"], start.offset))
            results.wait_subscribed()
            daemon.mark()
            daemon.publish(result(1, "a"), status("run_started", "b"), result(0, "b"))
            for record in results:
                order.append((record.topic, record.offset))
                if record.offset == 4:
                    break
    told = [("run_open", 0), ("result", 2), ("run_started", 3), ("status", 3), ("result", 4)]
    assert order == told


def test_a_run_whose_start_was_lost_is_asked_for_once(tmp_path: Path) -> None:
    starts: list[Record] = []
    with ScriptedResults(tmp_path, [status("old"), *(result(n, "a") for n in range(5))]) as daemon:
        daemon.oldest, daemon.open_runs = 2, [opened("a", 0)]
        with Subscriber(daemon.results, daemon.control, 0) as results:
            results.on_run = starts.append
            results.on_gap = lambda first, last: None
            assert take(iter(results), 4) == [2, 3, 4, 5]
    assert [start.facts for start in starts] == [opened("a", 0)]


def test_a_run_nobody_knows_any_more_is_asked_for_once(tmp_path: Path) -> None:
    with (
        ScriptedResults(tmp_path, [result(n, "a") for n in range(6)]) as daemon,
        Subscriber(daemon.results, daemon.control, 0) as results,
    ):
        assert take(iter(results), 6) == list(range(6))
        assert [request["type"] for request in daemon.asked].count("runs") == 2


def test_a_daemon_that_knows_no_runs_is_followed_all_the_same(daemon: ScriptedResults) -> None:
    def refuse(parts: list[bytes]) -> list[bytes]:
        head = unpack_header(parts[0])
        return [pack(head | {"type": "refused", "reason": "type: 'runs'"})]

    daemon.mangle = refuse
    with Subscriber(daemon.results, daemon.control) as results:
        results.wait_subscribed()
        daemon.mark()
        daemon.publish(result(0))
        assert take(iter(results), 1) == [0]


def test_a_lost_tail_is_told_by_run_without_a_control_endpoint(daemon: ScriptedResults) -> None:
    missed: list[tuple[str, int]] = []
    counts = dict.fromkeys(("dropped", "quarantined", "failed"), 0)
    with Subscriber(daemon.results) as results:
        results.on_gap = lambda first, last: None
        results.on_missed = lambda run, n: missed.append((run, n))
        results.wait_subscribed()
        daemon.mark()
        daemon.publish(status("run_started", "a"), result(0, "a"))
        daemon.lose(result(1, "a"), result(2, "a"))
        daemon.mark({"a": counts | {"published": 3, "first_offset": 0}})
        daemon.publish(status("the end"))
        assert take(iter(results), 3) == [0, 1, 4]
    assert missed == [("a", 2)]


def test_a_daemon_that_is_away_for_long_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even while something is missing, and without piling up questions for it."""
    journal: list[tuple[str, bytes]] = []
    with ScriptedResults(tmp_path, journal) as first:
        subscriber = Subscriber(first.results, first.control)
        results = subscriber.__enter__()
        results.wait_subscribed()
        assert results._control is not None
        monkeypatch.setattr(results._control, "timeout_s", 0.05)
        first.publish(status("a"))
        events = results.events()
        assert next(event for event in events if event is not None).offset == 0
        first.lose(status("b"))
        first.mark()
    for _ in range(30):
        assert next(events) is None
    with ScriptedResults(tmp_path, journal) as second:
        monkeypatch.setattr(results._control, "timeout_s", 5.0)
        assert next(event for event in events if event is not None).offset == 1
        assert [request["type"] for request in second.asked].count("get") == 1
        subscriber.__exit__()


def test_another_journal_that_is_longer_is_noticed_when_the_daemon_is_back(tmp_path: Path) -> None:
    with ScriptedResults(tmp_path, []) as first:
        subscriber = Subscriber(first.results, first.control)
        results = subscriber.__enter__()
        results.wait_subscribed()
        first.publish(status("a"))
        records = iter(results)
        assert take(records, 1) == [0]
    with ScriptedResults(tmp_path, [status("other") for _ in range(9)]):
        with pytest.raises(JournalReplaced, match="offset 0 holds another record"):
            next(records)
        subscriber.__exit__()


def test_a_journal_that_steps_over_what_it_lost_is_asked_once(tmp_path: Path) -> None:
    """Retention in front, damage within: each range is told once."""
    gaps: list[tuple[int, int]] = []
    with ScriptedResults(tmp_path, [status("old") for _ in range(12)]) as daemon:
        daemon.oldest, daemon.damaged, daemon.per_reply = 3, {5, 6, 11}, 4
        with Subscriber(daemon.results, daemon.control, 0) as results:
            results.on_gap = lambda first, last: gaps.append((first, last))
            assert take(iter(results), 6) == [3, 4, 7, 8, 9, 10]
            daemon.mark()
            daemon.publish(status("new"))
            assert take(iter(results), 1) == [12]
    assert gaps == [(0, 2), (5, 6), (11, 11)]


def test_a_control_endpoint_slower_than_the_stream_costs_no_record(
    daemon: ScriptedResults,
) -> None:
    def publish_meanwhile(parts: list[bytes]) -> list[bytes]:
        if len(daemon.journal) < 40:
            daemon.publish(status("while"), status("asking"))
            daemon.lose(status("lost"))
        return parts

    daemon.mangle, daemon.per_reply = publish_meanwhile, 1
    with Subscriber(daemon.results, daemon.control) as results:
        results.wait_subscribed()
        daemon.publish(status("a"))
        daemon.lose(status("b"))
        daemon.publish(status("c"))
        assert take(iter(results), 38) == list(range(38))


def test_records_that_were_compacted_away_are_a_gap(tmp_path: Path) -> None:
    gaps: list[tuple[int, int]] = []
    with ScriptedResults(tmp_path, [status("old") for _ in range(6)]) as daemon:
        daemon.oldest = 4
        with Subscriber(daemon.results, daemon.control, 1) as results:
            results.on_gap = lambda first, last: gaps.append((first, last))
            assert take(iter(results), 2) == [4, 5]
    assert gaps == [(1, 3)]


def test_until_end_stops_when_the_last_open_run_has_ended(daemon: ScriptedResults) -> None:
    with Subscriber(daemon.results) as results:
        results.wait_subscribed()
        daemon.publish(
            status("run_started", "a"),
            status("degraded", None),
            status("run_started", "b"),
            result(0, "a"),
            status("run_ended", "a"),
            result(0, "b"),
            status("run_ended", "b"),
        )
        assert [record.offset for record in results.until_end()] == list(range(7))


def test_until_end_reads_a_finished_journal_to_its_end(tmp_path: Path) -> None:
    """Not only up to the first run that ended in it."""
    journal = [status(event, run) for run in "ab" for event in ("run_started", "run_ended")]
    with (
        ScriptedResults(tmp_path, journal) as daemon,
        Subscriber(daemon.results, daemon.control, 0) as results,
    ):
        assert [record.offset for record in results.until_end()] == [0, 1, 2, 3]


def test_until_end_waits_for_a_run_where_the_journal_has_none(daemon: ScriptedResults) -> None:
    with Subscriber(daemon.results, daemon.control, 0) as results:
        results.wait_subscribed()
        daemon.mark()
        daemon.publish(status("run_started"), status("run_ended"))
        assert [record.offset for record in results.until_end()] == [0, 1]


def test_a_restarted_daemon_is_followed_on_with_what_was_missed(tmp_path: Path) -> None:
    journal: list[tuple[str, bytes]] = []
    with ScriptedResults(tmp_path, journal) as first:
        subscriber = Subscriber(first.results, first.control)
        results = subscriber.__enter__()
        results.wait_subscribed()
        first.publish(status("a"))
        records = iter(results)
        assert take(records, 1) == [0]
    journal.append(status("while nobody published"))
    with ScriptedResults(tmp_path, journal) as second:
        for _ in range(3):
            second.publish(status("b"))
        marker = threading.Event()

        def keep_marking() -> None:
            while not marker.wait(0.02):
                second.mark()

        ticking = threading.Thread(target=keep_marking)
        ticking.start()
        assert take(records, 4) == [1, 2, 3, 4]
        marker.set()
        ticking.join()
        subscriber.__exit__()


def test_another_journal_at_the_same_address_is_noticed(daemon: ScriptedResults) -> None:
    with Subscriber(daemon.results) as results:
        results.wait_subscribed()
        daemon.publish(status("a"), status("b"))
        records = iter(results)
        assert take(records, 2) == [0, 1]
        daemon.journal.clear()
        daemon.mark()
        with pytest.raises(JournalReplaced):
            next(records)


def test_async_for_gives_the_same_records(tmp_path: Path) -> None:
    async def collect(results: Subscriber, daemon: ScriptedResults) -> list[int]:
        got = []
        async for record in results:
            got.append(record.offset)
            if len(got) == 4:
                daemon.lose(status("lost"))
                daemon.publish(status("new"))
            if len(got) == 6:
                return got
        raise AssertionError

    with (
        ScriptedResults(tmp_path, [status("old") for _ in range(4)]) as daemon,
        Subscriber(daemon.results, daemon.control, 0) as results,
    ):
        assert asyncio.run(collect(results, daemon)) == list(range(6))


def test_async_for_repairs_a_gap_in_its_own_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket belongs to one thread: a wait in another one would outlive its cancellation."""

    def refuse(*args: object) -> None:
        raise AssertionError("another thread was asked")

    async def collect(results: Subscriber) -> list[int]:
        got: list[int] = []
        async for record in results:
            got.append(record.offset)
            if len(got) == 5:
                return got
        raise AssertionError

    monkeypatch.setattr(asyncio, "to_thread", refuse)
    with (
        ScriptedResults(tmp_path, [status("old") for _ in range(5)]) as daemon,
        Subscriber(daemon.results, daemon.control, 0) as results,
    ):
        assert asyncio.run(collect(results)) == list(range(5))


def test_async_for_gives_up_on_a_silent_control_endpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def first(results: Subscriber) -> None:
        async for _ in results:
            raise AssertionError

    with ScriptedResults(tmp_path) as daemon:
        nobody = f"ipc://{tmp_path}/nobody"
        with Subscriber(daemon.results, nobody, 0) as results:
            assert results._control is not None
            monkeypatch.setattr(results._control, "timeout_s", 0.1)
            with pytest.raises(Unreachable, match=r"no answer to runs within 0\.1 s"):
                asyncio.run(first(results))


def test_async_for_leaves_the_event_loop_free(daemon: ScriptedResults) -> None:
    async def scenario(results: Subscriber) -> int:
        async def first() -> int:
            async for record in results:
                return record.offset
            raise AssertionError

        waiting = asyncio.ensure_future(first())
        for _ in range(5):
            await asyncio.sleep(0)
        assert not waiting.done()
        await asyncio.to_thread(results_seen.wait, 5)
        daemon.publish(status("a"))
        return await asyncio.wait_for(waiting, 5)

    results_seen = threading.Event()
    with Subscriber(daemon.results) as results:
        results.wait_subscribed()
        results_seen.set()
        assert asyncio.run(scenario(results)) == 0


def test_nobody_publishing_is_a_typed_error(tmp_path: Path) -> None:
    with (
        Subscriber(f"ipc://{tmp_path}/none", connect_timeout_s=0.05) as results,
        pytest.raises(Unreachable, match="no daemon publishes there"),
    ):
        next(iter(results))


def test_silence_is_a_typed_error(daemon: ScriptedResults) -> None:
    with (
        Subscriber(daemon.results, silence_timeout_s=0.05) as results,
        pytest.raises(TimedOut, match=r"silent for 0\.05 s"),
    ):
        next(iter(results))


def test_a_broken_record_raises_and_a_new_iteration_goes_on(daemon: ScriptedResults) -> None:
    with Subscriber(daemon.results) as results:
        results.wait_subscribed()
        daemon.publish(status("a"), ("status", b"\xc1"), status("c"))
        records = iter(results)
        assert take(records, 1) == [0]
        with pytest.raises(BadMessage):
            next(records)
        assert take(iter(results), 1) == [2]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("nonsense",), "'nonsense'"),
        (("ipc://x", None, 3), "since: 3"),
        (("ipc://x", "ipc://y", -1), "since: -1, allowed 0 or more"),
    ],
)
def test_impossible_arguments_are_refused_in_one_line(
    arguments: tuple[Any, ...], text: str
) -> None:
    with pytest.raises(BadConfig, match=text), Subscriber(*arguments):
        pass


def test_it_is_used_inside_with(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="inside `with`"):
        Subscriber(f"ipc://{tmp_path}/x").wait_subscribed()


def test_control_answers_status_and_model(daemon: ScriptedResults) -> None:
    with Control(daemon.control) as control:
        assert control.status() == {"state": "ready"}
        assert control.model() == {"state": "ready"}
        control.drain()
    assert [request["type"] for request in daemon.asked] == ["status", "model", "drain"]


def test_control_says_when_nobody_answers(tmp_path: Path) -> None:
    with (
        Control(f"ipc://{tmp_path}/none", timeout_s=0.01) as control,
        pytest.raises(Unreachable, match=r"no answer to status within 0\.01 s"),
    ):
        control.status()


def test_control_never_blocks_on_a_daemon_that_takes_no_questions(tmp_path: Path) -> None:
    with Control(f"ipc://{tmp_path}/none", timeout_s=0.001) as control:
        for _ in range(40):
            with pytest.raises(Unreachable):
                control.status()


def test_control_ignores_the_late_answer_to_an_earlier_question(daemon: ScriptedResults) -> None:
    replies = iter([True, False])

    def answer_the_one_before(parts: list[bytes]) -> list[bytes]:
        head = unpack_header(parts[0])
        return [pack(head | {"id": head["id"] - 1})] if next(replies) else parts

    daemon.mangle = answer_the_one_before
    with Control(daemon.control, timeout_s=0.2) as control:
        with pytest.raises(Unreachable):
            control.status()
        assert control.status() == {"state": "ready"}


BAD_REPLIES: list[tuple[str, Callable[[dict[str, Any]], list[bytes]]]] = [
    ("not msgpack", lambda head: [b"\xc1"]),
    ("two parts", lambda head: [pack(head), b"status", encode_offset(0)]),
    ("topic", lambda head: [pack(head), b"\xff", encode_offset(0), b""]),
    ("offset", lambda head: [pack(head), b"status", b"0", b""]),
    ("oldest", lambda head: [pack(head | {"oldest": "0"})]),
]


@pytest.mark.parametrize("reply", [b[1] for b in BAD_REPLIES], ids=[b[0] for b in BAD_REPLIES])
def test_a_broken_reply_is_a_bad_message(
    daemon: ScriptedResults, reply: Callable[[dict[str, Any]], list[bytes]]
) -> None:
    daemon.mangle = lambda parts: reply(unpack_header(parts[0]))
    with Control(daemon.control) as control, pytest.raises(BadMessage):
        control.get(0)


def test_a_refusal_carries_the_daemons_reason(daemon: ScriptedResults) -> None:
    def refuse(parts: list[bytes]) -> list[bytes]:
        head = unpack_header(parts[0])
        return [pack({"v": 1, "type": "refused", "id": head["id"], "reason": "since: -1"})]

    daemon.mangle = refuse
    with Control(daemon.control) as control, pytest.raises(Refusal, match="since: -1"):
        control.get(0)
