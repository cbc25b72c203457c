"""The rig of `make chaos`: a small round of it holds, and with each negative control the right promise is BROKEN.

A promise that cannot be seen to fail has not been shown.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.system.chaos.controls import CONTROLS
from tests.system.chaos.promises import PROMISES

pytestmark = [pytest.mark.system, pytest.mark.timeout(480)]
ROOT = Path(__file__).parents[2]


def chaos(*words: str) -> tuple[int, dict[int, dict[str, Any]]]:
    """Exit code, and the table by promise."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.system.chaos", "--size", "small", "--json", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines, done.stderr
    return done.returncode, {line["promise"]: line for line in lines}


@pytest.mark.parametrize("number", [promise.number for promise in PROMISES])
def test_a_promise_holds(number: int) -> None:
    code, table = chaos("--only", str(number))
    assert table[number]["verdict"] in ("held", "not run"), table
    assert table[number]["not_run"] or sum(table[number]["done"].values()) > 0
    assert code == 0


@pytest.mark.parametrize("name", CONTROLS)
def test_a_negative_control_breaks_its_promise(name: str) -> None:
    for _ in range(3):  # of a small run's few kills, none may fall where the fault shows
        code, table = chaos("--break", name)
        line = table[CONTROLS[name].breaks]
        if line["verdict"] == "BROKEN":
            break
    assert line["verdict"] == "BROKEN", line
    assert not any("stumbled" in breach for breach in line["breaches"]), line
    assert f"--break {name}" in line["repeat"]
    assert code == 1


def test_the_page_of_promises_tells_every_promise_and_every_control() -> None:
    page = (ROOT / "docs" / "promises.md").read_text()
    for promise in PROMISES:
        assert f"\n**{promise.number}. " in page
    for name in CONTROLS:
        assert f"`{name}`" in page
