"""Foreign sources at a real daemon: pushed and published runs, gaps counted exactly, a daemon killed meanwhile."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenostream.daemon.client import Control, Subscriber
from phenostream.daemon.client.best_effort_sender import BestEffortSender, BestEffortSettings, Way
from phenostream.daemon.client.outgoing import Facts, shot_message
from phenostream.daemon.client.stream import SourceFrame
from phenostream.daemon.wire.ingest import Start

pytestmark = pytest.mark.system
Image = np.ndarray[Any, Any]
SOURCES = """
[[sources]]
name = "pushed"
socket = "pull"
endpoint = "ipc://pushed"
[[sources]]
name = "heard"
socket = "sub"
endpoint = "ipc://heard"
topic = "cam"
idle_end_s = 1.0
"""
RECORDING = Path(__file__).parents[1] / "data" / "real_quads.phenorec"
REPLAY = (sys.executable, "-m", "phenostream.deploy.cli", "replay", str(RECORDING), "--json")
LAST = {6: ("quarantined", "incomplete: 1 of 4 shots, left, right, bottom missing after 0.5 s")}
CASES: list[tuple[str, Way, str | None]] = [("pushed", "push", None), ("heard", "pub", "cam1")]


def settings(way: Way, topic: str | None, **changes: Any) -> BestEffortSettings:
    """Nothing is lost in the queue of this microscope: it is the test that leaves frames out."""
    return BestEffortSettings(way, topic=topic, high_water=1000, end_pause_s=0.0, **changes)


def ended(daemon: Any, run: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The results of a run, and its run_ended record."""
    results = []
    url, control = daemon.ready["results"], daemon.ready["control"]
    with Subscriber(url, control, 0, silence_timeout_s=20.0) as records:
        for record in records:
            if record.facts["run"] == run and record.topic == "result":
                results.append(record.facts)
            elif record.facts["run"] == run and record.facts.get("event") == "run_ended":
                return results, record.facts
    raise AssertionError("no end")


@pytest.mark.parametrize(("name", "way", "topic"), CASES)
def test_gaps_repeats_and_swaps_are_counted_exactly(
    make_daemon: Callable[..., Any],
    small_start: Callable[..., Start],
    small_frame: Image,
    name: str,
    way: Way,
    topic: str | None,
) -> None:
    daemon = make_daemon(SOURCES)
    daemon.start()
    start = small_start()
    sent = [5, 0, 1, 2, 4, 4, 9, 8, 0, 30]
    with BestEffortSender(daemon.ready["sources"][name], settings(way, topic)) as microscope:
        microscope.reach()
        microscope.start(start)
        for seq in sent:
            microscope.send(SourceFrame(seq, small_frame, source_utc_ns=seq))
        assert microscope.finish(40) == 40
        results, end = ended(daemon, start.run)
    assert sorted(result["frame_seq"] for result in results) == sorted(set(sent))
    assert {(result["mode"], result["fate"]) for result in results} == {
        ("best-effort", "published")
    }
    assert (end["mode"], end["ended_by"]) == ("best-effort", "source")
    ledger = end["ledger"]
    assert (ledger["received"], ledger["published"], ledger["duplicates"]) == (8, 8, 2)
    assert (ledger["gaps"], ledger["missing"], ledger["announced"]) == (23, 32, 40)
    with Control(daemon.ready["control"]) as control:
        status = control.status()
    told = status["sources"][name]
    assert (told["frames"], told["ends"], told["messages"]) == (10, 3, 14)
    assert status["endpoints"][f"sources.{name}"] == daemon.ready["sources"][name]


def test_single_shots_of_a_foreign_source_are_assembled_and_a_lost_one_costs_its_frame(
    make_daemon: Callable[..., Any], small_start: Callable[..., Start], small_frame: Image
) -> None:
    daemon = make_daemon("[ingest]\nshot_timeout_s = 0.5\n" + SOURCES)
    daemon.start()
    start = small_start(n_expected=7)
    told = settings("push", None, single_shots="shuffled")
    with BestEffortSender(daemon.ready["sources"]["pushed"], told) as microscope:
        microscope.reach()
        microscope.start(start)
        header, counts = shot_message(start, (6, "top"), small_frame[2], Facts())
        microscope.send_frame(header, counts)
        frames = [SourceFrame(seq, small_frame) for seq in range(6)]
        microscope.stream(start, frames)
        results, end = ended(daemon, start.run)
    fates = {result["frame_seq"]: (result["fate"], result["reason"]) for result in results}
    assert fates == dict.fromkeys(range(6), ("published", None)) | LAST
    ledger = end["ledger"]
    assert (ledger["published"], ledger["quarantined.incomplete"], ledger["missing"]) == (6, 1, 0)


def test_a_lost_end_is_made_up_for_and_what_comes_later_is_late(
    make_daemon: Callable[..., Any], small_start: Callable[..., Start], small_frame: Image
) -> None:
    daemon = make_daemon(SOURCES)
    daemon.start()
    start = small_start()
    options = settings("pub", "cam", start_every_s=1e9)
    with BestEffortSender(daemon.ready["sources"]["heard"], options) as microscope:
        microscope.reach()
        microscope.start(start)
        for seq in (0, 3):
            microscope.send(SourceFrame(seq, small_frame))
        _, end = ended(daemon, start.run)
        assert end["ended_by"] == "timeout"
        assert (end["ledger"]["missing"], end["ledger"]["announced"]) == (2, 4)
        microscope.send(SourceFrame(4, small_frame))
        with Control(daemon.ready["control"]) as control:
            while not (late := control.status()["ledger"]["runs"][start.run]["late"]):
                pass
        assert late == 1


def test_a_pushed_run_survives_the_death_of_the_daemon_without_its_start(
    make_daemon: Callable[..., Any], small_start: Callable[..., Start], small_frame: Image
) -> None:
    daemon = make_daemon(SOURCES)
    daemon.start()
    start, frames = small_start(), 60
    options = settings("push", None, start_every_s=1e9, reach_timeout_s=40.0)
    with BestEffortSender(daemon.ready["sources"]["pushed"], options) as microscope:
        microscope.start(start)
        for seq in range(frames):
            if seq == 20:
                with Control(daemon.ready["control"]) as control:
                    while control.status()["ledger"]["total"]["published"] < 10:
                        pass
                daemon.kill()
                daemon.start()
            microscope.send(SourceFrame(seq, small_frame))
        microscope.finish()
        results, end = ended(daemon, start.run)
    numbers = [result["frame_seq"] for result in results]
    assert len(set(numbers)) == len(numbers)
    assert len([seq for seq in numbers if seq < 20]) >= 10
    assert set(range(40, frames)) <= set(numbers)
    ledger = end["ledger"]
    assert ledger["published"] == ledger["received"] == len(numbers)
    assert ledger["missing"] == ledger["gaps"] == frames - len(numbers)


@pytest.mark.parametrize(("way", "socket"), [("push", "pull"), ("pub", "sub")])
def test_a_recording_is_replayed_to_a_daemon_that_connects_and_does_not_answer(
    make_daemon: Callable[..., Any], tmp_path: Path, way: Way, socket: str
) -> None:
    url = f"ipc://{tmp_path}/scope"
    daemon = make_daemon(
        f'[[sources]]\nname = "s"\nsocket = "{socket}"\nlink = "connect"\nendpoint = "{url}"\n'
    )
    daemon.start()
    words = [*REPLAY, "--to", url, "--best-effort", way, "--bind", "--rate", "100"]
    words += ["--encoding", "blosc2"] if way == "push" else []
    done = subprocess.run(words, capture_output=True, text=True, timeout=40, check=True)
    sent = json.loads(done.stdout)
    assert sent["mode"] == "best-effort"
    results, end = ended(daemon, sent["run"])
    assert len(results) == end["ledger"]["published"] == sent["sent"] == sent["announced"]
    assert end["ledger"]["missing"] == 0
