"""A daemon and its summariser as processes: what may happen to the one while the other goes on, and what is published.

The language models are fakes that fail on command; `tests/truth` has the real one.
"""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from phenostream.daemon.client.control import Control
from phenostream.daemon.client.errors import Refusal
from phenostream.daemon.client.sender import Sender
from phenostream.daemon.client.sender_options import SenderSettings
from phenostream.daemon.security.allow_list import Role
from phenostream.daemon.security.key_folder import make_client, make_server
from phenostream.daemon.security.keys import ClientKeys
from phenostream.daemon.wire.codec import unpack_result
from phenostream.daemon.wire.control import MOST_TEXT_BYTES
from phenostream.deploy.cli.main import main
from phenostream.engine.errors import BadInput
from phenostream.engine.summary.facts import Facts
from phenostream.engine.summary.plan import says
from phenostream.engine.summary.wording import plan_of
from tests.system.daemon_process import DaemonProcess
from tests.system.eager_daemon import PROGRAM
from tests.system.patience import becomes
from tests.system.small_camera import small_frame, small_start

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]
CELLS_A_FRAME = 4
LLM = {"name": "toy.fake.json", "sha256": "0" * 64, "binding": "fake"}
Maker = Callable[..., DaemonProcess]
Summary = tuple[int, dict[str, Any]]


class Site:
    """A daemon whose summariser asks a fake model that behaves as its script says."""

    def __init__(
        self, make: Maker, folder: Path, script: dict[str, Any] | None, deadline_s: float = 60.0
    ) -> None:
        """Start it; without a script there is no summariser."""
        (folder / "toy.fake.json").write_text(json.dumps(script))
        start = f"start = {'false' if script is None else 'true'}\n"
        limits = f"deadline_s = {deadline_s}\nmemory_bytes = {256 << 20}\n"
        self.daemon = make(
            f'[summary]\nwindow_s = 0.2\nllm = "toy.fake.json"\n{start}{limits}', folder
        )
        self.daemon.command = (*PROGRAM, "run", "--json", "--config")
        self.daemon.start()

    def run(self, frames: int) -> str:
        """Send a run, every frame of which is published with all its cells."""
        start = small_start()
        with Sender(self.daemon.ready["ingest"], start.instrument) as sender:
            sender.start(start)
            for seq in range(frames):
                sender.send(seq, small_frame())
            ledger = sender.finish().ledger
        assert ledger["received"] == ledger["published"] == frames
        assert ledger["cells_classified"] == CELLS_A_FRAME * frames
        return start.run

    def summaries(self, run: str) -> list[Summary]:
        """Of one run, in order."""
        found: list[Summary] = []
        with self.control() as control:
            since = 0
            while (batch := control.get(since)).records:
                since = batch.next
                found += [
                    (one.offset, unpack_result(one.payload))
                    for one in batch.records
                    if one.topic == "summary"
                ]
        return [(offset, body) for offset, body in found if body["run"] == run]

    def of_run(self, run: str, source: str) -> list[Summary]:
        """The summaries of a whole run by who worded them."""
        return [
            (offset, body)
            for offset, body in self.summaries(run)
            if body["scope"] == "run" and body["source"] == source
        ]

    def told(self) -> dict[str, Any]:
        """Of the status, what it says of the summariser."""
        with self.control() as control:
            told: dict[str, Any] = control.status()["summariser"]
            return told

    def control(self) -> Control:
        return Control(self.daemon.ready["control"], timeout_s=20.0)

    def processes(self) -> list[psutil.Process]:
        """The summariser and its worker, as far as they are there."""
        found: list[psutil.Process] = psutil.Process(self.daemon.pid).children(recursive=True)
        return found

    def drain(self) -> int:
        self.daemon.send(signal.SIGTERM)
        return self.daemon.wait()


@pytest.fixture
def make_site(make_daemon: Maker, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Site]:
    def make(script: dict[str, Any] | None, deadline_s: float = 60.0) -> Site:
        return Site(make_daemon, tmp_path_factory.mktemp("d"), script, deadline_s)

    return make


def in_the_end(true: Callable[[], bool]) -> bool:
    """Ask until it is true, for minutes."""
    return any(becomes(true) for _ in range(6))


def gone(processes: list[psutil.Process]) -> bool:
    return not any(one.is_running() and one.status() != "zombie" for one in processes)


def test_words_follow_the_template_and_are_true_and_nothing_outlives_the_daemon(
    make_site: Callable[..., Site],
) -> None:
    site = make_site({})
    assert in_the_end(lambda: site.told()["llm"] is not None)
    run = site.run(5)
    assert in_the_end(lambda: bool(site.of_run(run, "llm-grammar")))
    ((offset, template),) = site.of_run(run, "template")
    ((after, worded),) = site.of_run(run, "llm-grammar")
    assert after > offset
    assert worded["of_offset"] == offset
    facts = Facts.from_dict(worded["facts"])
    assert worded["facts"] == template["facts"]
    assert facts == Facts.from_dict(template["facts"])
    assert says(plan_of(facts, "bedside"), worded["text"])
    assert worded["llm"]["name"] == "toy.fake.json"
    told = site.told()
    assert told["worded"] >= 1
    assert told["refused"] == 0
    assert told["llm"] == worded["llm"]
    beside = site.processes()
    assert len(beside) == 2
    assert site.drain() == 0
    assert gone(beside)


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "hung": ({"fault": "hang"}, "it did not answer in time"),
    "dead": ({"fault": "crash"}, "ended"),
    "out of memory": ({"fault": "allocate"}, "memory"),
    "lying": ({"says": "The patient has 4,000 blasts."}, "facts do not allow"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_language_model_that_fails_costs_its_words_and_nothing_else(
    make_site: Callable[..., Site], what: str
) -> None:
    script, line = FAULTS[what]
    site = make_site(script, 1.0 if what == "hung" else 60.0)
    assert in_the_end(lambda: site.told()["llm"] is not None)
    run = site.run(20)
    assert len(site.of_run(run, "template")) == 1  # there already: the report came behind it
    assert in_the_end(lambda: site.told()["unworded"] >= 1)
    assert line in site.told()["reason"]
    again = site.run(5)
    assert len(site.of_run(again, "template")) == 1
    assert {body["source"] for _, body in site.summaries(run)} == {"template"}
    with site.control() as control:
        assert control.status()["state"] == "ready"
    beside = site.processes()
    if what == "hung":  # and nothing outlives a daemon that is killed, not even then
        site.daemon.kill()
    else:
        assert site.drain() == 0
    assert in_the_end(lambda: gone(beside))


def test_a_summariser_that_is_killed_comes_back_and_one_that_hangs_is_left_behind(
    make_site: Callable[..., Site],
) -> None:
    site = make_site({})
    assert in_the_end(lambda: site.told()["llm"] is not None)
    killed = site.processes()
    for one in killed:
        one.kill()
    run = site.run(20)
    assert len(site.of_run(run, "template")) == 1
    assert in_the_end(lambda: gone(killed) and len(site.processes()) == 2)
    assert in_the_end(lambda: site.told()["heard_s"] < 1.0 and site.told()["llm"] is not None)
    again = site.run(5)
    assert in_the_end(lambda: bool(site.of_run(again, "llm-grammar")))

    hung = site.processes()
    for one in hung:
        one.suspend()
    last = site.run(20)
    assert len(site.of_run(last, "template")) == 1
    assert site.drain() == 0  # though its summariser does not hear that it is to end
    assert gone(hung)


KEYED = """
[ingest]
endpoint = "tcp://127.0.0.1:*"
[results]
endpoint = "tcp://127.0.0.1:*"
[control]
endpoint = "tcp://127.0.0.1:*"
[security]
keys = "keys"
[summary]
llm = "toy.fake.json"
keys = "words.keys"
"""


def test_with_keys_a_summarisers_own_is_enough(
    make_daemon: Maker, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("d")
    (folder / "toy.fake.json").write_text("{}")
    make_server(folder / "keys")
    keys: dict[Role, ClientKeys] = {}
    roles: dict[Role, str] = {"source": "scope", "summariser": "words", "operator": "ops"}
    for role, name in roles.items():
        make_client(folder / "keys", name, role, folder / f"{name}.keys")
        keys[role] = ClientKeys.read(folder / f"{name}.keys")
    daemon = make_daemon(KEYED, folder)
    daemon.command = (*PROGRAM, "run", "--json", "--config")
    ready, start = daemon.start(), small_start()
    with Control(ready["control"], 20.0, keys["operator"]) as control:
        assert in_the_end(lambda: control.status()["summariser"]["llm"] is not None)
        settings = SenderSettings(keys=keys["source"])
        with Sender(ready["ingest"], start.instrument, settings) as sender:
            sender.start(start)
            sender.send(0, small_frame())
            sender.finish()
        assert in_the_end(lambda: control.status()["summariser"]["worded"] == 1)
        assert control.status()["security"]["refused"] == 0
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0


def hand_in(site: Site, of_offset: int, text: str, **more: Any) -> str:
    """What the daemon says of a text: empty if it takes it."""
    told = {"style": "bedside", "language": "en", "source": "llm-grammar", "seconds": 1.0} | more
    with site.control() as control:
        try:
            control.word_summary({"of_offset": of_offset, "text": text, "llm": LLM, **told})
        except (BadInput, Refusal) as err:
            return str(err)
    return ""


def last_words(facts: dict[str, Any]) -> str:
    """A true text that is not the template's."""
    plan = plan_of(Facts.from_dict(facts), "bedside")
    return "".join(slot.alternatives[-1] for slot in plan)


def test_a_forger_publishes_no_lie_and_a_summary_is_worded_once_whatever_dies_between(
    make_site: Callable[..., Site], tmp_path: Path
) -> None:
    site = make_site(None)
    first, second = site.run(3), site.run(7)
    ((offset, body),) = site.of_run(first, "template")
    ((other, elsewhere),) = site.of_run(second, "template")
    true = last_words(body["facts"])
    assert true != body["text"]
    refused = {
        "lie": hand_in(site, offset, true.replace(str(3 * CELLS_A_FRAME), "4,000")),
        "other facts": hand_in(site, offset, last_words(elsewhere["facts"])),
        "no summary": hand_in(site, offset - 1, true),
        "unknown": hand_in(site, 10**9, true),
        "too long": hand_in(site, offset, "x" * (MOST_TEXT_BYTES + 1)),
        "free": hand_in(site, offset, true, source="llm-free"),
        "terminal": hand_in(site, offset, f"{true}\x1b[2J"),
    }
    assert all(refused.values()), refused
    assert not any("\n" in line for line in refused.values())
    assert "not allowed with summary.mode = 'grammar'" in refused["free"]
    assert len(site.summaries(first)) == 1
    assert site.told()["refused"] == len(refused) - 1  # the long one is not even sent

    site.daemon.kill()  # between the template's record and the other
    site.daemon.start()
    assert hand_in(site, offset, true) == ""
    assert in_the_end(lambda: bool(site.of_run(first, "llm-grammar")))
    ((after, worded),) = site.of_run(first, "llm-grammar")
    assert (worded["text"], worded["of_offset"], worded["llm"]) == (true, offset, LLM)
    assert "worded already" in hand_in(site, offset, true)
    assert "allowed one of the newest" in hand_in(site, after, true)
    assert hand_in(site, other, last_words(elsewhere["facts"])) == ""
    site.daemon.kill()  # behind it
    site.daemon.start()
    assert "worded already" in hand_in(site, offset, true)
    assert len(site.of_run(first, "llm-grammar")) == 1
    third = site.run(2)
    ((late, unworded),) = site.of_run(third, "template")
    assert site.drain() == 0  # with a checkpoint behind all of it
    site.daemon.start()
    assert "worded already" in hand_in(site, offset, true)
    assert hand_in(site, late, last_words(unworded["facts"])) == ""
    assert in_the_end(lambda: bool(site.of_run(third, "llm-grammar")))
    assert site.drain() == 0

    table = tmp_path / "cells.csv"
    assert main(["export", str(site.daemon.folder / "journal"), str(table)]) == 0
    assert len(table.read_text().splitlines()) == 1 + 12 * CELLS_A_FRAME


def test_words_between_the_windows_of_a_run_are_no_windows_of_it(
    make_site: Callable[..., Site],
) -> None:
    site, start = make_site(None), small_start()

    def windowed() -> int:
        windows = [body for _, body in site.summaries(start.run) if body["scope"] == "window"]
        return sum(body["facts"]["frames"] for body in windows if body["of_offset"] is None)

    with Sender(site.daemon.ready["ingest"], start.instrument) as sender:
        sender.start(start)
        for seq in range(3):
            sender.send(seq, small_frame())
        while sender.counts.unacked:
            sender.wait(0.05)
    assert in_the_end(lambda: windowed() == 3)
    windows = site.summaries(start.run)
    for offset, body in windows:
        assert hand_in(site, offset, last_words(body["facts"])) == ""
    assert in_the_end(lambda: len(site.summaries(start.run)) == 2 * len(windows))
    site.daemon.kill()  # the next one counts what the journal has of the run
    site.daemon.start()
    with Sender(site.daemon.ready["ingest"], start.instrument) as sender:
        sender.start(start)
        for seq in range(3, 6):
            sender.send(seq, small_frame())
        sender.finish()
    ((_, whole),) = site.of_run(start.run, "template")
    assert (whole["facts"]["frames"], windowed()) == (6, 6)
    assert whole["facts"]["classified"] == 6 * CELLS_A_FRAME
