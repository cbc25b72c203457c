"""What the commands print: tables that line up, JSON that any reader takes."""

import json
import math

import numpy as np
import pytest

from phenostream.daemon.run_id import new_run_id
from phenostream.daemon.wire.ingest import Report
from phenostream.deploy.cli.replay import pace
from phenostream.deploy.cli.sending import ledger_line, rate_hz, say_report
from phenostream.deploy.cli.terminal import say_json, say_table
from phenostream.engine.errors import BadConfig


def test_a_table_has_columns_of_one_width_with_numbers_to_the_right(
    capsys: pytest.CaptureFixture[str],
) -> None:
    say_table(["name", "count"], [("a", 5), ("longer", 1234)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "a           5"
    assert lines[3] == "longer   1234"


def test_json_takes_numpy_values_and_refuses_nan(capsys: pytest.CaptureFixture[str]) -> None:
    say_json({"n": np.float32(1.5), "name": "x"})
    assert json.loads(capsys.readouterr().out) == {"n": 1.5, "name": "x"}
    with pytest.raises(ValueError, match="JSON"):
        say_json({"n": math.nan})


@pytest.mark.parametrize("text", ["0", "-1", "fast", "1e9", "nan"])
def test_an_impossible_rate_is_refused(text: str) -> None:
    with pytest.raises(BadConfig, match="--rate"):
        rate_hz(text)


def test_rate_max_is_no_pace() -> None:
    assert rate_hz("max") is None
    assert rate_hz("2.5") == 2.5


def test_the_pace_of_a_replay_is_a_multiple_and_said_so() -> None:
    assert pace("max") is None
    assert pace("0.5") == 0.5
    with pytest.raises(BadConfig, match=r"^--rate 7x: .* 1000000 times the recorded pace$"):
        pace("7x")


def test_frames_that_were_recorded_are_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    ledger = {"received": 3, "published": 0, "dropped": 3, "missing": 0}
    assert say_report(Report(run=new_run_id(), ledger=ledger), as_json=False, recorded=3) == 0
    assert "3 frames recorded" in capsys.readouterr().out
    assert say_report(Report(run=new_run_id(), ledger=ledger), as_json=False, recorded=2) == 3


def test_a_run_that_lacks_frames_is_said_to_be_incomplete(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ledger = {"received": 2, "published": 2, "dropped": 0, "missing": 3}
    assert say_report(Report(run=new_run_id(), ledger=ledger), as_json=False) == 3
    assert "INCOMPLETE: 2 of 5 frames" in capsys.readouterr().err


def test_the_ledger_line_names_every_fate_of_frames_and_cells() -> None:
    line = ledger_line(
        {"received": 7, "published": 6, "quarantined": 1, "cells_found": 40, "cells_edge": 3}
    )
    assert "7 received, 6 published, 0 dropped, 1 quarantined, 0 failed, 0 missing" in line
    assert "40 found, 0 classified, 3 edge" in line
