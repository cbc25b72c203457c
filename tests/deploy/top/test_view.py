"""A frame of the view fits 80 x 24 whatever is told, and shows what an operator looks for."""

from io import StringIO
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from phenostream.deploy.top.reading import Readings
from phenostream.deploy.top.view import picture
from phenostream.deploy.top.watch import Shown
from tests.deploy.top.statuses import status

URL = "ipc:///run/phenostream/control"
LONG = "x" * 300
RUN = {
    "run": "01a0b1c2-0000-7000-8000-0000099a8057",
    "instrument": "scope",
    "counts": {"received": 12, "published": 9},
}


def lines(*statuses: dict[str, Any], width: int = 80, **shown: Any) -> list[str]:
    readings = Readings(10.0)
    for one in statuses:
        readings.add(one)
    console = Console(width=width, file=StringIO(), force_terminal=False, color_system=None)
    console.print(picture(Shown(shown.pop("url", URL), readings, **shown), width))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().rstrip("\n").split("\n")


def test_a_daemon_at_work() -> None:
    told = lines(status(100.0, 50), status(102.0, 90, newest_summary=summary("63 % are T cells.")))
    text = " ".join("\n".join(told).split())
    assert told[0].startswith(" phenostream  READY  up 1 min 42 s")
    assert told[0].endswith(URL)
    for shown in (
        "toy 1 on fake none fp32",
        "no fault is open",
        "frames/s 20",
        "cells/s 200",
        "frames queued 2",
        "unacknowledged 3.0 MiB",
        "T cell",
        "60.0 %",
        "91 received 90 published 1 missing",
        "run of scope 099a8057: 63 % are T cells.",
    ):
        assert shown in text
    (total,) = [line for line in told if " total " in line]
    assert total.split()[-3:] == ["4", "5", "5"]


def summary(text: str) -> dict[str, Any]:
    return {"scope": "run", "run": RUN["run"], "instrument": "scope", "text": text}


def worst() -> dict[str, Any]:
    """All that is long and all that is many."""
    told = status(1e9, 90, 60.0)
    told["state"] = "degraded"
    told["faults"] = {f"fault{number}": LONG for number in range(9)}
    told["model"] = dict.fromkeys(("name", "version", "backend", "device", "precision"), LONG)
    told["model_synthetic"] = told["source_synthetic"] = True
    told["queues"] = {LONG: 10**9, "frames": 10**9}
    told["ledger"] = {"total": dict.fromkeys(("received", "published", "failed"), 10**18)}
    told["meters"]["cells"]["classes"] = {LONG: 90, "\u7d30" * 40: 10, "c": 1}
    told["meters"]["cells"] |= {"failed": 7, "over_limit": 7}
    told["newest_summary"] = summary(LONG * 10)
    told["sources"] = {LONG: {"messages": 10**18}, "b": {}, "c": None}
    told["summariser"] = {"heard_s": 1.0, "llm": {"name": LONG}, "worded": 10**18}
    told["drift"] = {"instruments": {LONG: {"against": [{"against": LONG, "alarms": [LONG] * 99}]}}}
    return told


@pytest.mark.parametrize("width", [80, 100, 200])
def test_the_worst_fits(width: int) -> None:
    runs = [{**RUN, "instrument": LONG, "counts": {"received": 10**12}}] * 300
    told = lines(status(1.0), worst(), width=width, url="tcp://" + LONG, runs=runs, away_s=1e8)
    assert len(told) <= 24
    assert all(cell_len(line) <= width for line in told)
    assert "NO ANSWER for 1157 d" in told[0]
    assert "and 7 more" in "\n".join(told)


def test_what_a_stranger_wrote_moves_no_cursor_and_is_no_markup() -> None:
    told = status(1.0, newest_summary=summary("\x1b[2J\x07[bold red]alarm[/]"))
    told["model"]["name"] = "\x1b]0;owned\x07"
    told["state"] = "ready\x1b[8m"
    text = "\n".join(lines(told, runs=[{**RUN, "instrument": "[blink]\x1b[5m"}]))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "[bold red]alarm[/]" in text
    assert "[blink]" in text


def test_a_fault_is_told_with_its_reason() -> None:
    told = lines(status(1.0, state="degraded", faults={"engine": "openvino is down"}))
    assert "FAULT engine: openvino is down" in "\n".join(told)
    assert "no fault is open" not in "\n".join(told)


def test_what_is_simulated_is_said_first_and_never_cut_off() -> None:
    told = status(1.0, model_synthetic=True, source_synthetic=True)
    told["model"]["device"] = LONG
    assert lines(told)[1].startswith(" SYNTHETIC model and source: toy 1 on fake x")
    told["source_synthetic"], told["model"]["calibrated"] = False, False
    assert lines(told)[1].startswith(" SYNTHETIC model: uncalibrated: toy 1")


def test_sources_and_the_summariser_take_the_place_of_older_runs() -> None:
    sources = {f"camera{n}": {"messages": 1234, "malformed": 5} for n in range(3)}
    llm = {"name": "smollm2", "binding": "fake"}
    summariser = {"heard_s": 1.0, "llm": llm, "worded": 12, "refused": 1}
    runs = [{**RUN, "instrument": f"scope{n}"} for n in range(20)]
    told = status(1.0, 5, sources=sources, summariser=summariser)
    text = "\n".join(lines(told, runs=runs))
    assert "source camera0: 1,234 messages, 5 malf" in text
    assert "camera2" not in text
    assert "words of smollm2: 12 worded, 1 refused" in text
    assert [n for n in range(20) if f" scope{n} " in text] == [18, 19]


def test_what_has_drifted_is_told_by_instrument() -> None:
    against = [
        {"against": "training", "alarms": ["rejected", "share/T cell"]},
        {"against": "previous_run", "alarms": []},
    ]
    drift = {"instruments": {"scope": {"against": against}, "other": {"against": against[1:]}}}
    text = "\n".join(lines(status(1.0, drift=drift)))
    assert "DRIFT scope from training: rejected, share/T cell" in text
    assert "other" not in text
    assert "DRIFT" not in "\n".join(lines(status(1.0)))


def test_an_older_daemon_is_shown_with_dashes() -> None:
    text = "\n".join(lines({"state": "ready", "uptime_s": 3.0}))
    assert "no summary yet" in text
    assert "none" in text


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (8000, "2 h 13 min"), (90_000, "1 d 1 h")],
)
def test_how_long_it_is_up(seconds: float, said: str) -> None:
    assert f"up {said} " in lines(status(seconds))[0]
