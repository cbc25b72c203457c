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
from phenostream.daemon.wire.control import MOST_TEXT_BYTES, Get
from phenostream.daemon.wire.results import decode_offset, encode_offset
from phenostream.engine.errors import BadConfig
from tests.daemon.toy_narration import ToyNarration
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
def words() -> ToyNarration:
    return ToyNarration()


class ToyLists:
    """An allow-list of two, or one that cannot be read."""

    refused: str | None = None

    def reload(self) -> dict[str, Any]:
        """What is allowed now."""
        if self.refused is not None:
            raise BadConfig(self.refused)
        return {"keys": True, "allowed": 2, "reloads": 1}


@pytest.fixture
def lists() -> ToyLists:
    return ToyLists()


@pytest.fixture
def ask(
    journal: Journal, drained: threading.Event, words: ToyNarration, lists: ToyLists
) -> Iterator[Ask]:
    stopping, bound = Wake(), threading.Event()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    answers = Answers(
        journal,
        lambda: {"state": "ready"},
        lambda: {"name": "toy"},
        lambda: [{"run": "r", "event": "run_open"}],
        drained.set,
        ToySwaps(),
        words,
        lists.reload,
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


def test_a_reload_is_answered_when_the_list_was_read_or_refused(ask: Ask, lists: ToyLists) -> None:
    asked = pack({"v": 1, "type": "reload", "id": 9})
    (reply,) = ask(asked)
    told = {"keys": True, "allowed": 2, "reloads": 1}
    assert unpack_result(reply) == {"v": 1, "type": "reloaded", "id": 9, **told}
    lists.refused = "keys/allowed/source/x.txt: allowed NAME.pub"
    (reply,) = ask(asked)
    reason = f"reload: the allow-list stays as it was: {lists.refused}"
    assert unpack_result(reply) == {"v": 1, "type": "refused", "id": 9, "reason": reason}


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
    control._answers = Answers(
        journal, dict, dict, list, lambda: None, ToySwaps(), ToyNarration(), dict
    )

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


LLM = {"name": "SmolLM2 135M", "sha256": "0" * 64, "binding": "fake"}
TEXT: dict[str, Any] = {
    "v": 1,
    "type": "summary_text",
    "of_offset": 4,
    "text": "Mostly lymphocytes.",
    "style": "bedside",
    "language": "en",
    "source": "llm-grammar",
    "llm": LLM,
    "seconds": 2.5,
}
STATE: dict[str, Any] = {"v": 1, "type": "summariser", "llm": None, "skipped": 0, "unworded": 0}

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
    *(
        ([pack(TEXT | {"id": 3} | change)], 3)
        for change in (
            {"of_offset": -1},
            {"text": ""},
            {"text": b"bytes"},
            {"style": "a\nb"},
            {"language": "x" * 65},
            {"source": "template"},
            {"source": "truth"},
            {"llm": None},
            {"llm": LLM | {"sha256": "beef"}},
            {"llm": LLM | {"name": "\x1b[2J"}},
            {"llm": LLM | {"more": 1}},
            {"seconds": math.nan},
            {"seconds": -1.0},
            {"run": "r"},
        )
    ),
    ([pack(TEXT | {"id": 3, "text": "x" * (MOST_TEXT_BYTES + 1)})], 0),
    ([pack(STATE | {"id": 3, "skipped": -1})], 3),
    ([pack(STATE | {"id": 3, "reason": "two\nlines"})], 3),
    ([pack(STATE | {"id": 3, "llm": "smollm2"})], 3),
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


def test_a_text_and_a_word_about_the_summariser_are_handed_on(
    ask: Ask, words: ToyNarration
) -> None:
    def asked(message: dict[str, Any]) -> dict[str, Any]:
        return unpack_result(ask(pack(message | {"id": 9}))[0])

    longest = TEXT | {"text": "x" * MOST_TEXT_BYTES}
    assert asked(longest) == {"v": 1, "type": "accepted", "id": 9}
    refused = {"v": 1, "type": "refused", "id": 9, "reason": "summary_text: of_offset 5: odd"}
    assert asked(TEXT | {"of_offset": 5}) == refused
    assert asked(STATE | {"reason": "no model"}) == {"v": 1, "type": "noted", "id": 9}
    assert [(one.of_offset, one.llm.name) for one in words.taken] == [(4, "SmolLM2 135M")]
    assert [one.reason for one in words.heard] == ["no model"]


@pytest.mark.parametrize(
    ("role", "allowed"),
    [(None, True), ("subscriber", False), ("summariser", True), ("operator", True)],
)
@pytest.mark.parametrize("message", [TEXT, STATE], ids=["text", "state"])
def test_only_a_summarisers_key_or_an_operators_may_speak_for_it(
    journal: Journal, message: dict[str, Any], role: str | None, allowed: bool
) -> None:
    control = Control.__new__(Control)
    control._answers = Answers(
        journal, dict, dict, list, lambda: None, ToySwaps(), ToyNarration(), dict
    )
    said = unpack_result(control._reply([pack(message | {"id": 1})], role)[0])
    if allowed:
        assert said["type"] in ("accepted", "noted")
    else:
        kind = message["type"]
        assert said["reason"] == (
            f"{kind}: the key of a {role}, allowed an operator's or a summariser's"
        )
    drain = unpack_result(control._reply([pack({"v": 1, "type": "drain", "id": 1})], role)[0])
    assert (drain["type"] == "draining") == (role in (None, "operator"))
