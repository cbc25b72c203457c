"""A worker may do anything: its owner has a text or one line within the deadline, and no process stays."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from phenostream.daemon.summariser.link import FIRST_REST_S, LONGEST_REST_S, Link, WorkerSetup
from phenostream.daemon.summariser.llm.protocol import Completion
from phenostream.engine.errors import EngineFault
from tests.daemon.summariser.toy_models import GRAMMAR, MESSAGES, TEXTS, fake_setup

START_S = 30.0
"""For a worker on a busy box."""


class Clock:
    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_s


def ask(link: Link, deadline_s: float = START_S) -> Completion:
    return link.complete(MESSAGES, grammar=GRAMMAR, max_tokens=64, deadline_s=deadline_s)


@pytest.fixture
def ended() -> Iterator[list[int]]:
    """Process ids that must be gone at the end of the test, not even zombies."""
    pids: list[int] = []
    yield pids
    assert not [pid for pid in pids if psutil.pid_exists(pid)]


def test_a_worker_answers_again_and_again(tmp_path: Path, ended: list[int]) -> None:
    with Link(fake_setup(tmp_path)) as link:
        assert link.pid is None
        facts = link.open(START_S)
        first, second = ask(link), ask(link)
        ended.append(link.pid or 0)
    assert (facts.name, facts.binding, len(facts.sha256)) == ("toy", "fake", 64)
    assert first.text in TEXTS
    assert first.text == second.text
    assert (first.ended, link.starts) == ("stop", 1)


def test_a_worker_takes_no_module_from_the_folder_that_it_is_started_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = fake_setup(tmp_path)
    for name in ("random", "json", "types"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a script of the user ran')")
    monkeypatch.chdir(tmp_path)
    with Link(setup) as link:
        assert ask(link).text in TEXTS


def test_a_worker_takes_only_what_others_leave(tmp_path: Path) -> None:
    with Link(replace(fake_setup(tmp_path), idle=True)) as link:
        with pytest.raises(EngineFault, match="still being loaded"):
            link.open(0.0)
        worker = psutil.Process(link.pid)
        assert os.sched_getscheduler(worker.pid) == os.SCHED_IDLE
        assert worker.nice() == 19


def test_a_worker_has_limits_and_listens_nowhere(tmp_path: Path) -> None:
    with Link(fake_setup(tmp_path)) as link:
        link.open(START_S)
        worker = psutil.Process(link.pid)
        assert worker.rlimit(psutil.RLIMIT_DATA) == (1 << 30, 1 << 30)
        assert (2 << 30) <= worker.rlimit(psutil.RLIMIT_AS)[0] < (2 << 30) + 4096
        assert Path(f"/proc/{worker.pid}/oom_score_adj").read_text().strip() == "1000"
        assert "NoNewPrivs:\t1" in Path(f"/proc/{worker.pid}/status").read_text()
        assert [c for c in worker.net_connections("all") if c.status == psutil.CONN_LISTEN] == []


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("hang", "did not answer in time"),
        ("crash", "ended by signal 6"),
        ("allocate", "out of memory"),
        ("fail", "told to fail"),
    ],
)
def test_what_goes_wrong_is_one_line_within_the_deadline(
    tmp_path: Path, ended: list[int], fault: str, said: str
) -> None:
    with Link(fake_setup(tmp_path, fault=fault, sound=1)) as link:
        ask(link)
        ended.append(link.pid or 0)
        deadline_s = 0.5 if fault == "hang" else START_S
        began_s = time.monotonic()
        with pytest.raises(EngineFault, match=said) as caught:
            ask(link, deadline_s)
        if fault == "hang":
            assert time.monotonic() - began_s < deadline_s + 2.0
        assert "\n" not in str(caught.value)
        assert (link.pid is None) == (fault != "fail")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ({"fault": "allocate", "while_opening": True}, "out of memory"),
        ({"fault": "crash", "while_opening": True}, "ended by signal 6"),
        ({"surprise": 1}, "not the script"),
    ],
)
def test_a_model_that_cannot_be_opened_is_one_line(
    tmp_path: Path, script: dict[str, Any], said: str
) -> None:
    with Link(fake_setup(tmp_path, **script)) as link:
        with pytest.raises(EngineFault, match=said):
            ask(link)
        assert link.pid is None


def test_temporary_files_of_a_worker_that_crashes_are_removed(tmp_path: Path) -> None:
    crash = "import os, sys, tempfile; print(tempfile.mkdtemp(), file=sys.stderr, flush=True); os.abort()"
    with Link(fake_setup(tmp_path), (sys.executable, "-c", crash)) as link:
        with pytest.raises(EngineFault, match="ended by signal 6: /") as caught:
            link.open(START_S)
        left = Path(str(caught.value).rpartition(": ")[2])
        assert left.parent != Path(tempfile.gettempdir())
        assert not left.parent.exists()


def test_a_text_that_comes_too_late_leaves_the_worker_alive(tmp_path: Path) -> None:
    with Link(fake_setup(tmp_path, fault="late", sound=1)) as link:
        ask(link)
        assert ask(link, 1.0).ended == "deadline"
        assert ask(link, 1.0).ended == "deadline"
        assert link.starts == 1


def test_a_model_that_is_still_loading_is_not_ended_at_a_deadline(tmp_path: Path) -> None:
    with Link(fake_setup(tmp_path, fault="hang", while_opening=True)) as link:
        with pytest.raises(EngineFault, match="still being loaded"):
            ask(link, 0.2)
        pid = link.pid
        assert pid is not None
        with pytest.raises(EngineFault, match="still being loaded"):
            ask(link, 0.2)
        assert link.pid == pid


def test_a_worker_that_is_stopped_is_ended_at_the_deadline(
    tmp_path: Path, ended: list[int]
) -> None:
    with Link(fake_setup(tmp_path)) as link:
        ask(link)
        ended.append(link.pid or 0)
        os.kill(ended[0], signal.SIGSTOP)
        with pytest.raises(EngineFault, match="did not answer in time"):
            ask(link, 0.5)
        assert link.pid is None


def test_a_worker_that_cannot_be_put_behind_all_others_does_not_run(
    tmp_path: Path, ended: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(process: int) -> None:
        ended.append(process)
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("phenostream.daemon.summariser.link.step_back", refuse)
    link = Link(replace(fake_setup(tmp_path), idle=True))
    with link, pytest.raises(EngineFault, match="not permitted"):
        ask(link)
    assert len(ended) == 1


def test_a_worker_that_was_lost_rests_twice_as_long_each_time(tmp_path: Path) -> None:
    clock = Clock()
    program = (sys.executable, "-S", "-c", "raise SystemExit(3)")
    with Link(WorkerSetup(tmp_path, idle=False), program, clock) as link:
        rest_s = FIRST_REST_S
        for starts in range(1, 9):
            with pytest.raises(EngineFault, match="exit code 3"):
                ask(link)
            with pytest.raises(EngineFault, match="rests for"):
                ask(link)
            assert link.starts == starts
            clock.ahead_s += rest_s
            rest_s = min(2 * rest_s, LONGEST_REST_S)


def test_a_worker_that_answers_again_has_no_past(tmp_path: Path) -> None:
    clock = Clock()
    with Link(fake_setup(tmp_path, fault="crash", sound=1), clock=clock) as link:
        for _ in range(2):
            ask(link)
            with pytest.raises(EngineFault, match="signal 6"):
                ask(link)
            clock.ahead_s += FIRST_REST_S
        assert link.starts == 2


def test_a_worker_killed_between_two_questions_is_started_again(tmp_path: Path) -> None:
    clock = Clock()
    with Link(fake_setup(tmp_path), clock=clock) as link:
        ask(link)
        os.kill(link.pid or 0, signal.SIGKILL)
        with pytest.raises(EngineFault, match="ended by signal 9"):
            ask(link)
        clock.ahead_s += FIRST_REST_S
        assert ask(link).text in TEXTS


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os; os.write(1, b'garbage')", "no answer"),
        ("import os; os.write(1, b'\\xff' * 64)", "no answer"),
        ("import os; os.write(1, b'\\0\\0\\0\\1\\x80')", "no answer"),
        ("import os; os.write(1, b'\\0\\0\\0\\1\\xc0'); input()", "no answer"),
        ("raise SystemExit('spoke\\nlast words')", "exit code 1: last words"),
        (
            "raise SystemExit('\\x1b]0;title\\a ' + 'x' * 999)",
            r"exit code 1: \?\]0;title\? x{100,200}$",
        ),
        ("import os, time; os.close(1); os.close(0); time.sleep(60)", "went on"),
    ],
)
def test_a_program_that_talks_nonsense_is_lost(
    tmp_path: Path, ended: list[int], code: str, said: str
) -> None:
    with Link(WorkerSetup(tmp_path, idle=False), (sys.executable, "-c", code)) as link:
        with pytest.raises(EngineFault, match=said):
            ask(link)
        assert link.pid is None


def test_a_program_that_cannot_begin_is_one_line(tmp_path: Path) -> None:
    link = Link(WorkerSetup(tmp_path), (str(tmp_path / "nothing"),))
    with pytest.raises(EngineFault, match="cannot begin: No such file"):
        ask(link)


def test_a_hanging_worker_ends_with_its_parent(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from phenostream.daemon.summariser.link import Link, WorkerSetup\n"
        "link = Link(WorkerSetup(Path(sys.argv[1]), memory_bytes=1 << 30, idle=False))\n"
        "link.open(30)\nprint(link.pid, flush=True)\n"
        "link.complete([], grammar=None, max_tokens=1, deadline_s=600)\n"
    )
    path = fake_setup(tmp_path, fault="hang").path
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(temporary)},
    ) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    assert psutil.wait_procs([worker], timeout=10)[1] == []
    assert list(temporary.iterdir()) == []
