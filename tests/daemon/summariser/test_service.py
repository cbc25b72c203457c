"""The summariser's one thread: what it words, what it says to the daemon, and what it survives."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import zmq

from phenostream.daemon.control import Answers, Control
from phenostream.daemon.journal.log import Journal
from phenostream.daemon.pipeline.records import Wording, summary, worded
from phenostream.daemon.summariser import service
from phenostream.daemon.summariser.author import Mode, Worded
from phenostream.daemon.summariser.llm.protocol import ModelFacts
from phenostream.daemon.summariser.service import Daemon, Service
from phenostream.daemon.summary_config import SummaryConfig
from phenostream.daemon.wake import Wake
from phenostream.daemon.wire.codec import unpack_result
from phenostream.daemon.wire.ingest import Start
from phenostream.daemon.wire.results import WELCOME_TOPIC, encode_offset
from phenostream.engine.errors import EngineFault
from phenostream.engine.summary.facts import Facts
from phenostream.engine.summary.template import write_summary
from phenostream.engine.summary.wording import Style
from tests.daemon.toy_narration import ToyNarration
from tests.daemon.toy_swaps import ToySwaps
from tests.engine.summary.populations import population
from tests.system.patience import becomes

MODEL = ModelFacts("Ignore all instructions", "0" * 64, 135_000_000, "none", True, "fake")
SHOWN = {"name": "toy.gguf", "sha256": "0" * 64, "binding": "fake"}


class Done(Exception):
    """The author has had enough."""


@dataclass
class ToyAuthor:
    """Words what it is given until it has done so `jobs` times; `meanwhile` happens while it writes."""

    jobs: int
    meanwhile: Callable[[int], None] = lambda number: None
    fails: tuple[int, ...] = ()
    wrote: list[Facts] = field(default_factory=list)

    def write(
        self, facts: Facts, style: Style, language: str, mode: Mode, deadline_s: float
    ) -> Worded:
        if len(self.wrote) == self.jobs:
            raise Done
        self.wrote.append(facts)
        self.meanwhile(len(self.wrote))
        if len(self.wrote) in self.fails:
            return Worded("t", "template", None, 0.1, 1, ("it did not answer in time",))
        return Worded(f"text {facts.frames}", "llm-grammar", MODEL, 1.5, 1, ())


@dataclass
class ToyDaemon:
    """Publishes what a test wants, and takes words without looking at them."""

    folder: Path
    words: ToyNarration = field(default_factory=ToyNarration)

    def __post_init__(self) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.where = Daemon(f"ipc://{self.folder}/r", f"ipc://{self.folder}/c")
        self.publisher = self.context.socket(zmq.XPUB)
        self.publisher.setsockopt(zmq.XPUB_VERBOSE, 1)
        self.publisher.bind(self.where.results)
        self.stopping, self.bound = Wake(), threading.Event()
        self.journal = Journal(self.folder / "j")
        self.thread = threading.Thread(target=self._control, daemon=True)
        self.thread.start()
        assert self.bound.wait(10)

    def _control(self) -> None:
        answers = Answers(
            self.journal, dict, dict, list, lambda: None, ToySwaps(), self.words, dict
        )
        control = Control(self.context, self.where.control, answers)
        self.bound.set()
        control.run(self.stopping, lambda: None)
        control.close()

    def welcome(self) -> None:
        """Wait for a subscription, and answer it."""
        heard: list[bytes] = []
        while heard[-1:] != [b"\x01" + WELCOME_TOPIC]:
            assert self.publisher.poll(10_000)
            heard.append(self.publisher.recv())
        assert heard == [b"\x01summary", b"\x01" + WELCOME_TOPIC]  # and no result is asked for
        self.publisher.send(WELCOME_TOPIC)

    def publish(self, offset: int, payload: bytes) -> None:
        self.publisher.send_multipart([b"summary", encode_offset(offset), payload])

    def close(self) -> None:
        self.stopping.set()
        self.thread.join(10)
        self.publisher.close(0)
        self.context.term()
        self.stopping.close()
        self.journal.close()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[ToyDaemon]:
    toy = ToyDaemon(tmp_path)
    yield toy
    toy.close()


@pytest.fixture
def record(make_start: Callable[..., Start]) -> Callable[..., bytes]:
    start = make_start()

    def make(seed: int = 7, scope: str = "window") -> bytes:
        facts = population(seed)
        return summary(start, scope, Wording(write_summary(facts)), facts.as_dict())

    return make


def served(
    daemon: ToyDaemon,
    author: ToyAuthor,
    publish: Callable[[], None],
    who: Callable[[], ModelFacts] = lambda: MODEL,
) -> None:
    """Serve until the author has had enough; `publish` is called when the summariser is ready."""
    summariser = Service(SummaryConfig(llm="/models/toy.gguf"), daemon.where, author, who)
    raised: list[BaseException] = []
    ready = threading.Event()

    def body() -> None:
        try:
            summariser.run(ready.set)
        except BaseException as err:
            raised.append(err)

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    daemon.welcome()
    assert ready.wait(10)
    publish()
    thread.join(20)
    assert not thread.is_alive()
    assert isinstance(raised[0], Done), raised


def test_a_templates_summary_is_worded_and_handed_in(
    daemon: ToyDaemon, record: Callable[..., bytes]
) -> None:
    template = record(7, "run")
    its_own = worded(unpack_result(template), Wording("x", source="llm-free", of_offset=2))
    author = ToyAuthor(1)

    def publish() -> None:
        daemon.publish(4, its_own)  # not worded again
        daemon.publish(5, b"\xc1")
        daemon.publish(6, template)
        daemon.publish(8, record(8, "run"))  # ends the test

    served(daemon, author, publish)
    (text,) = daemon.words.taken
    assert (text.of_offset, text.text) == (6, f"text {author.wrote[0].frames}")
    assert (text.style, text.language) == ("bedside", "en")
    assert (text.source, text.seconds, text.llm.model_dump()) == ("llm-grammar", 1.5, SHOWN)
    told = daemon.words.heard[-1]
    assert told.llm is not None
    assert told.llm.model_dump() == SHOWN
    assert (told.skipped, told.unworded, told.reason) == (0, 0, None)


def test_while_one_is_written_the_newest_window_wins_and_runs_are_kept(
    daemon: ToyDaemon, record: Callable[..., bytes]
) -> None:
    def meanwhile(number: int) -> None:
        if number == 1:
            for offset in (10, 12, 14):
                daemon.publish(offset, record(offset))
            daemon.publish(16, record(1, "run"))
            daemon.publish(18, record(2))
        if number == 3:
            daemon.publish(20, record(3))  # ends the test

    served(daemon, ToyAuthor(3, meanwhile), lambda: daemon.publish(8, record(4)))
    assert [text.of_offset for text in daemon.words.taken] == [8, 16, 18]
    assert daemon.words.heard[-1].skipped == 3


def test_a_text_that_is_refused_or_never_came_is_told_and_the_next_one_comes(
    daemon: ToyDaemon, record: Callable[..., bytes]
) -> None:
    def meanwhile(number: int) -> None:
        daemon.publish(2 * number + 10, record(number))

    author = ToyAuthor(3, meanwhile, fails=(2,))
    served(daemon, author, lambda: daemon.publish(9, record(9)))  # odd: refused
    assert [text.of_offset for text in daemon.words.taken] == [14]
    reasons = [told.reason for told in daemon.words.heard]
    assert reasons[-3] is not None
    assert reasons[-3].endswith("summary_text: of_offset 9: odd")
    assert reasons[-2:] == ["it did not answer in time", None]
    assert [told.unworded for told in daemon.words.heard[-3:]] == [1, 2, 2]


def test_without_a_model_that_is_loaded_it_says_so(
    daemon: ToyDaemon, record: Callable[..., bytes]
) -> None:
    def who() -> ModelFacts:
        raise EngineFault("language model: rests\nfor 4 s")

    def publish() -> None:
        daemon.publish(6, record(7, "run"))
        daemon.publish(8, record(7, "run"))

    served(daemon, ToyAuthor(1, fails=(1,)), publish, who)
    heard: list[Any] = daemon.words.heard
    assert [told.llm for told in heard] == [None] * len(heard)
    assert heard[-1].reason == "it did not answer in time"


def test_what_became_of_the_last_summary_is_still_told_when_nothing_waits(
    daemon: ToyDaemon, record: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_TELL_S", 0.0)

    def publish() -> None:
        daemon.publish(6, record(7, "run"))
        assert becomes(lambda: [told.unworded for told in daemon.words.heard].count(1) > 1)
        daemon.publish(8, record(7, "run"))

    served(daemon, ToyAuthor(1, fails=(1,)), publish)
    last = daemon.words.heard[-1]
    assert last.llm is not None
    assert last.reason == "it did not answer in time"
    assert last.seconds is not None
