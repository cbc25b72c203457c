"""What the commands print: tables that line up, JSON that any reader takes."""

import json
import math

import numpy as np
import pytest

from phenostream.deploy.cli.sending import ledger_line, rate_hz
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


def test_the_ledger_line_names_every_fate_of_frames_and_cells() -> None:
    line = ledger_line(
        {"received": 7, "published": 6, "quarantined": 1, "cells_found": 40, "cells_edge": 3}
    )
    assert "7 received, 6 published, 0 dropped, 1 quarantined, 0 failed, 0 missing" in line
    assert "40 found, 0 classified, 3 edge" in line
