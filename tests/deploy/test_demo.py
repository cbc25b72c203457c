"""The demo's subscriber: it ends with the run and its words, also when the sender fails and no end will ever come."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import zmq

from phenostream.daemon.client.subscriber import Record, Subscriber
from phenostream.daemon.wire.ingest import Report
from phenostream.deploy.cli import demo
from phenostream.deploy.demo import Seen, until_told, watch_one_run
from phenostream.deploy.narrator import Narrator
from phenostream.engine.errors import BadRecording
from phenostream.engine.summary.plan import says
from phenostream.engine.summary.wording import plan_of
from tests.deploy.toy_summaries import A, a_summary
from tests.engine.summary.populations import population


@contextmanager
def results_without_records(url: str) -> Iterator[None]:
    """A daemon's results endpoint that confirms subscriptions and never publishes."""
    stop, bound = threading.Event(), threading.Event()

    def serve() -> None:
        with zmq.Context() as context, context.socket(zmq.XPUB) as socket:
            socket.setsockopt(zmq.XPUB_VERBOSE, 1)
            socket.bind(url)
            bound.set()
            while not stop.is_set():
                if socket.poll(20) and socket.recv() == b"\x01welcome":
                    socket.send(b"welcome")

    thread = threading.Thread(target=serve)
    thread.start()
    assert bound.wait(5)
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.timeout(20)
def test_a_sender_that_fails_ends_the_watching_with_its_error(tmp_path: Path) -> None:
    def send() -> Report:
        raise BadRecording("cells.phenorec: byte 12: cut short")

    endpoints = {key: f"ipc://{tmp_path}/{key}" for key in ("results", "control")}
    with (
        results_without_records(endpoints["results"]),
        pytest.raises(BadRecording, match="cut short"),
    ):
        watch_one_run(endpoints, send, lambda _frame: None)


def told(topic: str, **body: Any) -> Record:
    return Record(topic, 0, body)


TEMPLATE = told("summary", scope="run", text="a", of_offset=None)
WORDED = told("summary", scope="run", text="b", of_offset=0)
WINDOW = told("summary", scope="window", text="c", of_offset=None)
END = told("status", event="run_ended", ledger={"received": 1})


class Results:
    """A subscriber to which this comes, a second apart."""

    def __init__(self, *records: Record | None) -> None:
        self._records = records
        self.now_s = 0.0

    def events(self) -> Iterator[Record | None]:
        for record in self._records:
            self.now_s += 1.0
            yield record
        raise AssertionError("nobody should have waited so long")


@pytest.mark.parametrize(
    ("records", "within_s", "text"),
    [
        ((TEMPLATE, END), 0.0, "a"),
        ((TEMPLATE, END, None, WINDOW, WORDED), 9.0, "b"),
        ((TEMPLATE, WORDED, END), 9.0, "b"),
        ((TEMPLATE, END, None, None), 2.0, "a"),
        ((END,), 9.0, None),
    ],
)
def test_a_language_models_words_take_the_templates_place_if_they_come_in_time(
    records: tuple[Record | None, ...], within_s: float, text: str | None
) -> None:
    results, seen = Results(*records), Seen()
    for record in until_told(cast(Subscriber, results), seen, within_s, lambda: results.now_s):
        if record is not None:
            seen.take(record)
    assert seen.summary.get("text") == text
    assert seen.ledger == {"received": 1}


@pytest.fixture
def stage(tmp_path: Path) -> Any:
    """A demo whose language model is a fake, and whose daemon says nothing of its summariser."""
    model = tmp_path / "toy.fake.json"
    model.write_text("{}")
    return demo._Stage(False, {}, Narrator(model), words_come=False)


def test_words_that_the_summariser_did_not_give_in_time_are_asked_for_at_once(
    stage: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "_why", lambda _stage: "it is still being loaded")
    demo._say_summary(Seen(summary=a_summary(12, "run", A)), stage)
    said = capsys.readouterr().out.splitlines()
    assert said[2] == "worded by: template"
    assert said[3].endswith("gave no other words in time: it is still being loaded")
    words = said[4].removeprefix("asked for at once: ")
    assert says(plan_of(population(12)), words)
    assert said[5].startswith("worded by: llm-grammar, toy (")


def test_where_nothing_can_word_it_the_demo_says_what_is_lacking(
    capsys: pytest.CaptureFixture[str],
) -> None:
    none = demo._Stage(False, {}, Narrator(None, "get it: phenostream fetch-llm"), words_come=False)
    demo._say_summary(Seen(summary=a_summary(12, "run", A)), none)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "a language model could word it: get it: phenostream fetch-llm"
