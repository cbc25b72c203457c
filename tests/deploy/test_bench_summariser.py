"""What `bench summariser` counts: how busy a process was, how late a template came, and what followed a fault."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from phenostream.daemon.client.control import Stored
from phenostream.daemon.wire.codec import pack
from phenostream.deploy.bench import busy_summariser as busy
from phenostream.deploy.bench import summariser, without_summariser
from phenostream.deploy.bench.busy_summariser import Used
from phenostream.deploy.bench.latency import TimedFrame
from phenostream.deploy.cli.main import main
from phenostream.engine.errors import EngineFault

WORKS = "import sys\nsys.stdout.write('.')\nsys.stdout.flush()\nwhile True: pass"
PARENT = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {WORKS!r}])"


@contextmanager
def at_work(program: str) -> "Iterator[subprocess.Popen[bytes]]":
    """A process that has said a word, and is ended with all that it started."""
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.read(1) == b"."
        yield process
    finally:
        os.killpg(process.pid, 9)
        process.communicate()


def test_the_model_is_found_in_a_child_of_the_summariser() -> None:
    with at_work(PARENT) as process:
        family = list(busy._family(process.pid))
        assert family[0] == process.pid
        assert len(family) == 2


def test_a_thread_that_always_wants_a_core_is_busy_however_little_it_gets() -> None:
    with at_work(WORKS) as process:
        os.setpriority(os.PRIO_PROCESS, process.pid, 19)

        def used() -> dict[int, Used]:
            return {int(t.parent.name): busy._used(t) for t in busy._tasks(process.pid)}

        counted = summariser._Busy()
        with counted.timed(used):
            before = used()[process.pid]
            while used()[process.pid].ran - before.ran < 20_000_000:
                os.sched_yield()
    assert counted.busy > 0.8
    assert 0 < counted.ran <= counted.busy


def test_a_process_that_has_ended_used_nothing() -> None:
    with at_work(WORKS) as process:
        task = busy._tasks(process.pid)[0]
    assert busy._used(task) == Used(0, 0)
    assert busy._tasks(process.pid) == []


@pytest.mark.parametrize(
    ("told", "is_heard"),
    [
        ({"heard_s": 0.5, "llm": {"name": "a"}}, True),
        ({"heard_s": 2.5, "llm": {"name": "a"}}, False),
        ({"heard_s": 0.5, "llm": None}, False),
        ({"heard_s": None, "llm": None}, False),
    ],
)
def test_a_summariser_is_there_when_it_told_of_its_model_since_it_was_started(
    told: dict[str, Any], is_heard: bool
) -> None:
    assert busy.is_heard({"summariser": told}, 2.0) is is_heard


def test_the_change_is_the_median_of_the_pairs_own() -> None:
    assert summariser.change_percent([(100, 90), (50, 55), (10, 10)]) == (0.0, -5.0, 5.0)


def frame(seq: int, fate: str = "published") -> TimedFrame:
    return TimedFrame(seq, 1000 * seq, 5.0 + seq, 1.0, 4, fate, None, "m")


def stored(offset: int, topic: str, **body: Any) -> Stored:
    return Stored(topic, offset, pack({"v": 1, "type": topic, **body}))


def told(offset: int, duration_s: float, source: str = "template", scope: str = "window") -> Stored:
    facts = {"duration_s": duration_s}
    return stored(offset, "summary", scope=scope, source=source, facts=facts)


RECORDS = [
    stored(0, "result", frame_seq=0),
    told(1, 1.02),
    told(2, 1.02, "llm-grammar"),
    stored(3, "result", frame_seq=1),
    stored(4, "result", frame_seq=2),
    told(5, 1.25),
    stored(6, "result", frame_seq=3),
    told(7, 1.25, "llm-grammar"),
    told(8, 0.4),
    told(9, 30.0, scope="run"),
]


def test_a_run_tells_how_late_the_latest_template_was_and_what_was_worded_after_the_fault() -> None:
    seen = [frame(0), frame(1), frame(2), frame(3, "failed")]
    figure = without_summariser._figure("killed", seen, RECORDS, 1.0)
    assert (figure.frames, figure.unpublished) == (4, 1)
    assert (figure.templates, figure.latest_s) == (3, 0.25)
    assert (figure.worded, figure.worded_after) == (2, 1)


def test_a_run_without_a_window_is_no_figure() -> None:
    records = [one for one in RECORDS if one.topic == "result"]
    with pytest.raises(EngineFault, match="no window was told"):
        without_summariser._figure("killed", [frame(0), frame(1)], records, 1.0)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--load", "2"], "--load 2: allowed 0.01 to 0.95"),
        (["--pairs", "0"], "--pairs 0: allowed 1 or more"),
        (["--latency-frames", "0"], "--latency-frames 0: allowed 1 or more"),
        (["--llm", "./nowhere.gguf"], "nowhere.gguf"),
    ],
)
def test_impossible_values_are_refused(
    flags: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "summariser", *flags]) == 2
    assert said in capsys.readouterr().err
