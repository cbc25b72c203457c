"""The reference programs of docs/reference against a real daemon: what a stranger writes from docs/wire.md works."""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
COMPILER = shutil.which("g++")
HEADERS = all(any(Path("/usr/include").rglob(name)) for name in ("zmq.hpp", "msgpack.hpp"))
ALLOWED = {"sender.py": {"msgpack", "numpy", "zmq"}, "subscriber.py": {"msgpack", "zmq"}}
LONGEST = {"sender.py": 100, "subscriber.py": 74, "sender.cpp": 150}


@pytest.mark.parametrize("name", LONGEST)
def test_a_program_fits_on_its_page(name: str) -> None:
    lines = (REFERENCE / name).read_text(encoding="utf-8").splitlines()
    assert len(lines) <= LONGEST[name]
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("name", ALLOWED)
def test_a_program_imports_nothing_of_ours(name: str) -> None:
    tree = ast.parse((REFERENCE / name).read_text(encoding="utf-8"))
    imported = {
        alias.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    assert not any(isinstance(node, ast.ImportFrom) for node in ast.walk(tree))
    assert imported - set(sys.stdlib_module_names) == ALLOWED[name]


def program(name: str, *args: object) -> "subprocess.Popen[str]":
    """Start one; its output is piped."""
    command = [sys.executable, "-I", str(REFERENCE / name), *map(str, args)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/"
    )


def ended(process: "subprocess.Popen[str]") -> list[str]:
    """Wait for a good end; its lines from where they were read to. The test's own timeout is the limit."""
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines, err = process.stdout.read().splitlines(), process.stderr.read()
    assert process.returncode == 0, err
    return lines


def read_until(output: IO[str] | None, beginning: str) -> list[str]:
    """Lines up to the one that begins so."""
    assert output is not None
    lines: list[str] = []
    for line in output:
        lines.append(line)
        if line.startswith(beginning):
            return lines
    raise AssertionError(f"no line begins with {beginning}: {lines}")


def ledger_of(report: str) -> dict[str, int]:
    found: dict[str, int] = ast.literal_eval(report.removeprefix("report "))
    return found


def check_records(lines: list[str], frames: int, runs: int = 1) -> None:
    """Every record once and in order; every frame published once."""
    offsets = [
        int(line.split()[0]) for line in lines if re.match(r"\d+ (result|status|summary) ", line)
    ]
    assert offsets == list(range(len(offsets)))
    published = [
        line.split()[2:4] for line in lines if " result " in line and " published " in line
    ]
    assert len(published) == len({tuple(one) for one in published}) == frames * runs


@pytest.mark.parametrize("options", [[], ["--shots"]], ids=["whole frames", "single shots"])
def test_sender_and_subscriber_from_an_empty_journal(
    make_daemon: Callable[..., Any], options: list[str]
) -> None:
    daemon = make_daemon()
    at = daemon.start()
    subscriber = program("subscriber.py", at["results"], at["control"], 1)
    *acks, report = ended(program("sender.py", at["ingest"], 12, *options))
    assert sorted(acks) == sorted(f"frame {seq}: published " for seq in range(12))
    ledger = ledger_of(report)
    assert (ledger["received"], ledger["published"], ledger["missing"]) == (12, 12, 0)
    assert ledger["cells_found"] == 12
    check_records(ended(subscriber), 12)


def test_a_subscriber_that_comes_late_reads_the_journal_first(
    make_daemon: Callable[..., Any],
) -> None:
    daemon = make_daemon()
    at = daemon.start()
    ended(program("sender.py", at["ingest"], 5))
    subscriber = program("subscriber.py", at["results"], at["control"], 2)
    first = read_until(subscriber.stdout, "1 ")  # it reads: the second run comes while it does
    ended(program("sender.py", at["ingest"], 5))
    check_records([*first, *ended(subscriber)], 5, runs=2)


def test_a_subscriber_that_begins_within_a_run_learns_what_the_run_is(
    make_daemon: Callable[..., Any],
) -> None:
    daemon = make_daemon()
    at = daemon.start()
    sender = program("sender.py", at["ingest"], 60)
    seen = read_until(sender.stdout, "frame 5:")
    subscriber = program("subscriber.py", at["results"], at["control"], 1, 3)
    first = read_until(subscriber.stdout, "run ")
    ended(sender)
    assert seen
    lines = [*first, *ended(subscriber)]
    assert " began before: " in first[0]
    assert len([line for line in lines if line.startswith("run ")]) == 1
    assert [int(line.split()[0]) for line in lines[1:]] == list(range(3, len(lines) + 2))


@pytest.mark.parametrize("options", [[], ["--shots"]], ids=["whole frames", "single shots"])
def test_a_killed_daemon_costs_neither_program_a_frame(
    make_daemon: Callable[..., Any], options: list[str]
) -> None:
    daemon = make_daemon()
    at = daemon.start()
    subscriber = program("subscriber.py", at["results"], at["control"], 1)
    sender = program("sender.py", at["ingest"], 60, *options)
    seen = read_until(sender.stdout, "frame 15:")
    daemon.kill()
    daemon.start()
    *_, report = [*seen, *ended(sender)]
    ledger = ledger_of(report)
    assert (ledger["received"], ledger["published"], ledger["missing"]) == (60, 60, 0)
    check_records(ended(subscriber), 60)


def test_a_refused_sender_says_why_and_ends(make_daemon: Callable[..., Any]) -> None:
    daemon = make_daemon("[ingest]\nmax_frame_bytes = 65536\n")
    with program("sender.py", daemon.start()["ingest"], 3) as sender:
        _, err = sender.communicate(timeout=30)
    assert sender.returncode == 1
    assert "refused: unfit: frames of 524288 bytes" in err


@pytest.mark.skipif(
    not (COMPILER and HEADERS) and "CI" not in os.environ,
    reason="no g++, or not libzmq3-dev, cppzmq-dev and libmsgpack-cxx-dev; `make reference` installs them",
)
def test_a_sender_in_cpp_streams_a_run_too(make_daemon: Callable[..., Any], tmp_path: Path) -> None:
    assert COMPILER is not None
    built = tmp_path / "sender"
    build = [COMPILER, "-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-o", str(built)]
    subprocess.run([*build, str(REFERENCE / "sender.cpp"), "-lzmq"], check=True)
    daemon = make_daemon()
    at = daemon.start()
    done = subprocess.run(
        [str(built), at["ingest"], "12"], capture_output=True, text=True, timeout=60, check=True
    )
    ledger = ledger_of(done.stdout.splitlines()[-1])
    assert (ledger["received"], ledger["published"], ledger["cells_found"]) == (12, 12, 12)
    check_records(ended(program("subscriber.py", at["results"], at["control"], 1)), 12)
