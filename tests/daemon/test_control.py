"""The control socket: what may be asked, and what a hostile request is answered."""

import math
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest
import zmq

from phenostream.daemon.control import MOST_RECORDS, Answers, Control
from phenostream.daemon.journal.log import Journal
from phenostream.daemon.wake import Wake
from phenostream.daemon.wire.codec import pack, unpack_result
from phenostream.daemon.wire.control import Get
from phenostream.daemon.wire.results import decode_offset, encode_offset
from tests.daemon.toy_swaps import ToySwaps

Ask = Callable[..., list[bytes]]
URL = "inproc://control"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path, segment_bytes=64 << 10)
    for number in range(600):
        journal.append([("result", number.to_bytes(4, "big") * 50)])
    journal.sync()
    yield journal
    journal.close()


@pytest.fixture
def drained() -> threading.Event:
    return threading.Event()


@pytest.fixture
def ask(journal: Journal, drained: threading.Event) -> Iterator[Ask]:
    stopping, bound = Wake(), threading.Event()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    answers = Answers(
        journal,
        lambda: {"state": "ready"},
        lambda: {"name": "toy"},
        lambda: [{"run": "r", "event": "run_open"}],
        drained.set,
        ToySwaps(),
    )

    def serve() -> None:
        control = Control(context, URL, answers)
        bound.set()
        control.run(stopping, lambda: None)
        control.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert bound.wait(10)
    with context.socket(zmq.DEALER) as dealer:
        dealer.connect(URL)

        def ask(*parts: bytes) -> list[bytes]:
            dealer.send_multipart(parts)
            assert dealer.poll(10_000)
            return dealer.recv_multipart()

        yield ask
    stopping.set()
    thread.join(10)
    stopping.close()
    context.term()


def get(since: int, **more: Any) -> bytes:
    return pack({"v": 1, "type": "get", "id": 5, "since": since, **more})


def test_status_model_runs_and_drain(ask: Ask, drained: threading.Event) -> None:
    def one(kind: str) -> dict[str, Any]:
        (reply,) = ask(pack({"v": 1, "type": kind, "id": 9}))
        return unpack_result(reply)

    assert one("status") == {"v": 1, "type": "status", "id": 9, "status": {"state": "ready"}}
    assert one("model") == {"v": 1, "type": "model", "id": 9, "model": {"name": "toy"}}
    runs = [{"run": "r", "event": "run_open"}]
    assert one("runs") == {"v": 1, "type": "runs", "id": 9, "runs": runs}
    assert not drained.is_set()
    assert one("drain") == {"v": 1, "type": "draining", "id": 9}
    assert drained.is_set()


def test_a_request_client_with_a_delimiter_is_answered_with_one(ask: Ask) -> None:
    assert ask(b"", pack({"v": 1, "type": "model", "id": 1}))[0] == b""


def test_replay_gives_records_in_order_until_the_newest(ask: Ask) -> None:
    since, seen = 3, []
    while True:
        head, *parts = ask(get(since, max_bytes=8 << 20))
        facts = unpack_result(head)
        assert facts["newest"] == 599
        assert facts["oldest"] == 0
        assert len(parts) == 3 * facts["n"] <= 3 * MOST_RECORDS
        if not facts["n"]:
            break
        assert parts[::3] == [b"result"] * facts["n"]
        assert parts[1::3] == [encode_offset(since + i) for i in range(facts["n"])]
        seen += parts[2::3]
        since = facts["next"]
    assert seen == [number.to_bytes(4, "big") * 50 for number in range(3, 600)]


def test_one_record_comes_whatever_the_limit(ask: Ask) -> None:
    head, *parts = ask(get(10, max_bytes=1))
    assert unpack_result(head)["n"] == 1
    assert len(parts[2]) == 200


@pytest.mark.parametrize("since", [600, 601, 2**64 - 1])
def test_beyond_the_newest_there_is_nothing_and_no_error(ask: Ask, since: int) -> None:
    (head,) = ask(get(since))
    assert unpack_result(head) == {
        "v": 1,
        "type": "records",
        "id": 5,
        "n": 0,
        "next": since,
        "newest": 599,
        "oldest": 0,
    }


def test_lost_offsets_are_stepped_over_and_next_says_so(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=300)
    for number in range(9):
        journal.append([("result", bytes([number]) * 100)])
        journal.sync()
    files = sorted(tmp_path.glob("*.journal"))
    content = files[0].read_bytes()
    files[0].write_bytes(b"X" + content[1:])  # 0 of 0, 1, 2
    files[2].write_bytes(b"X" * 399)  # all of 6, 7, 8
    control = Control.__new__(Control)
    control._answers = Answers(journal, dict, dict, list, lambda: None, ToySwaps())

    def asked(since: int, **more: int) -> tuple[list[int], int]:
        request = Get(v=1, type="get", id=5, since=since, **more)
        head, *parts = control._records(request)
        return [decode_offset(part) for part in parts[1::3]], unpack_result(head)["next"]

    assert asked(0, max_bytes=200) == ([1, 2], 3)
    assert asked(3) == ([3, 4, 5], 9)
    assert asked(6) == ([], 9)
    assert asked(9) == ([], 9)
    assert [(loss.first, loss.end) for loss in journal.losses] == [(0, 1), (6, 9)]
    journal.close()


HOSTILE: list[tuple[list[bytes], int]] = [
    ([b"\xc1"], 0),
    ([b"\xdd\xff\xff\xff\xff"], 0),
    ([pack({"v": 1, "type": "get", "id": 3})], 3),
    ([pack({"v": 1, "type": "get", "id": 3, "since": -1})], 3),
    ([pack({"v": 1, "type": "get", "id": 3, "since": 0, "max_bytes": 1 << 40})], 3),
    ([pack({"v": 1, "type": "status", "id": 3, "more": 1})], 3),
    ([pack({"v": 2, "type": "status", "id": 3})], 3),
    ([pack({"v": 1, "type": "exec", "id": 3})], 3),
    ([pack({"v": 1, "type": "status", "id": "x"})], 0),
    ([pack({"v": 1, "type": "status"})], 0),
    ([msgpack.packb([1, 2])], 0),
    ([pack({"v": 1, "type": "status", "id": 3}), b"more"], 0),
    ([os.urandom(60_000)], 0),
    ([pack({"v": 1, "type": "model_load", "id": 3})], 3),
    ([pack({"v": 1, "type": "model_load", "id": 3, "bundle": "relative/path"})], 3),
    ([pack({"v": 1, "type": "model_load", "id": 3, "bundle": "/b", "cells": 0})], 3),
    ([pack({"v": 1, "type": "model_load", "id": 3, "bundle": "/b", "min_agreement": 1.5})], 3),
    ([pack({"v": 1, "type": "model_load", "id": 3, "bundle": "/b", "wait_s": math.inf})], 3),
    ([pack({"v": 1, "type": "model_load", "id": 3, "bundle": "/b", "now": 1})], 3),
]


@pytest.mark.parametrize(("parts", "number"), HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_request_is_refused_in_one_line_and_the_next_one_served(
    ask: Ask, parts: list[bytes], number: int
) -> None:
    (reply,) = ask(*parts)
    facts = unpack_result(reply)
    assert (facts["type"], facts["id"]) == ("refused", number)
    assert "\n" not in facts["reason"]
    assert unpack_result(ask(pack({"v": 1, "type": "status", "id": 1}))[0])["type"] == "status"


def test_a_model_is_loaded_asked_about_and_cancelled_by_requests_of_their_own(ask: Ask) -> None:
    def asked(kind: str, **more: object) -> dict[str, Any]:
        return unpack_result(ask(pack({"v": 1, "id": 9, "type": kind, **more}))[0])

    assert asked("model_swap")["swap"]["state"] == "none"
    assert asked("model_cancel")["reason"] == "model_cancel: no swap is under way"
    begun = asked("model_load", bundle="/models/new", cells=50, max_slowdown=2, now=True)
    assert (begun["type"], begun["swap"]["state"], begun["swap"]["number"]) == (
        "loading",
        "loading",
        1,
    )
    assert begun["swap"]["bundle"] == "/models/new"
    assert begun["swap"]["asked"] == {
        "cells": 50,
        "min_agreement": 0.98,
        "max_marker_shift": 0.1,
        "max_slowdown": 2,
        "wait_s": 600.0,
        "now": True,
    }
    assert asked("model_load", bundle="/models/other")["type"] == "refused"
    ended = asked("model_cancel")
    assert (ended["type"], ended["swap"]["state"]) == ("cancelling", "cancelled")
    assert asked("model_swap")["swap"]["reason"] == "cancelled by an operator"
