"""The commands as a user types them, with the demo bundle: frames go in, scored results come out."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from phenostream.daemon.client.control import Control
from phenostream.deploy.child import DaemonChild, child_settings

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

DATA = Path(__file__).parents[1] / "data"


def _phenostream(*words: str | Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "phenostream.deploy.cli", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )


def _ran(process: "subprocess.Popen[str]") -> str:
    out, err = process.communicate(timeout=150)
    assert process.returncode == 0, f"{out[-2000:]}\n{err[-2000:]}"
    return out


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DaemonChild]:
    """A daemon on the demo bundle; rendered cells are cached in the test's own folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with DaemonChild(tmp_path / "daemon", child_settings("demo")) as child:
        yield child
        assert child.stop() == 0


def _watched(daemon: DaemonChild, send: tuple[str | Path, ...]) -> list[dict[str, Any]]:
    """What `watch --until-end --json` prints while a run is sent."""
    watch = _phenostream(
        "watch",
        daemon.ready["results"],
        "--control",
        daemon.ready["control"],
        "--until-end",
        "--json",
    )
    assert watch.stderr is not None
    assert "subscribed" in watch.stderr.readline()
    _ran(_phenostream(*send, "--to", daemon.ready["ingest"], "--json"))
    return [json.loads(line) for line in _ran(watch).splitlines()]


def _predictions(lines: list[dict[str, Any]]) -> list[tuple[int, dict[str, Any]]]:
    return sorted(
        (line["frame_seq"], line["columns"]) for line in lines if line["topic"] == "result"
    )


def test_simulated_cells_are_found_and_classified_and_the_same_twice(
    daemon: DaemonChild, tmp_path: Path
) -> None:
    truth = tmp_path / "truth.json"
    send: tuple[str | Path, ...] = (
        "simulate", "--frames", "10", "--size", "1024", "--seed", "7", "--preset", "easy", "--truth", truth,
    )  # fmt: skip
    first, second = _watched(daemon, send), _watched(daemon, send)
    assert _predictions(first) == _predictions(second)
    results = tmp_path / "got.jsonl"
    results.write_text("\n".join(map(json.dumps, first)) + "\n")
    scored = json.loads(
        _ran(_phenostream("bench", "detect", "--truth", truth, "--results", results, "--json"))
    )
    assert scored["shortfalls"] == []
    assert scored["class_cells"] > 100
    assert all(line["synthetic"] for line in first if line["topic"] == "result")


def test_every_real_cell_is_found_none_invented_and_a_replay_gives_the_same(
    daemon: DaemonChild, tmp_path: Path
) -> None:
    recording = DATA / "real_quads.phenorec"
    first, second = (_watched(daemon, ("replay", recording)) for _ in range(2))
    assert _predictions(first) == _predictions(second)
    results = tmp_path / "got.jsonl"
    results.write_text("\n".join(map(json.dumps, first)) + "\n")
    scored = json.loads(
        _ran(
            _phenostream(
                "bench",
                "detect",
                "--truth",
                DATA / "real_quads.truth.json",
                "--results",
                results,
                "--json",
            )
        )
    )
    assert scored["recall"] == scored["precision"] == 1.0
    assert scored["shortfalls"] == []


def test_single_shots_in_any_order_give_the_same_results_as_whole_frames(
    daemon: DaemonChild,
) -> None:
    send: tuple[str | Path, ...] = ("replay", DATA / "real_quads.phenorec")
    whole = _watched(daemon, send)
    shuffled = _watched(daemon, (*send, "--single-shots", "shuffled"))
    assert _predictions(shuffled) == _predictions(whole)
    results = [line for line in shuffled if line["topic"] == "result"]
    assert {tuple(line["shots"]) for line in results} == {("left", "right", "top", "bottom")}
    simulate: tuple[str | Path, ...] = ("simulate", "--frames", "4", "--size", "512", "--seed", "3")
    together, apart = _watched(daemon, simulate), _watched(daemon, (*simulate, "--single-shots"))
    assert _predictions(apart) == _predictions(together)


def test_results_of_a_journal_are_exported_with_one_row_per_cell(
    daemon: DaemonChild, tmp_path: Path
) -> None:
    lines = _watched(daemon, ("replay", DATA / "real_quads.phenorec"))
    cells = sum(line["counts"]["found"] for line in lines if line["topic"] == "result")
    for suffix in ("csv", "parquet"):
        said = _ran(
            _phenostream(
                "export", daemon.folder / "journal", tmp_path / f"cells.{suffix}", "--json"
            )
        )
        assert json.loads(said)["rows"] == cells > 0
    _says_what_to_trust(lines, daemon.ready["control"])
    with (tmp_path / "cells.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    keys = ("synthetic", "model_synthetic", "source_synthetic", "calibrated")
    assert {tuple(row[key] for key in keys) for row in rows} == {("true", "true", "false", "true")}
    about = json.loads((tmp_path / "cells.csv.units.json").read_text())
    meaning = about["columns"]["marker_low_CD16"]["meaning"]
    assert "nominal 90 % interval, calibrated on synthetic cells" in meaning


def _says_what_to_trust(lines: list[dict[str, Any]], control: str) -> None:
    """Real cells, simulated weights: every record and the status say so alike, and what was calibrated."""
    with Control(control) as client:
        status = client.status()
    for one in (*lines, status):
        said = (one["synthetic"], one["model_synthetic"], one["source_synthetic"])
        assert said == (True, True, False)
    assert {line["topic"] for line in lines} == {"result", "summary", "status"}
    for model in (status["model"], *(line["model"] for line in lines if line["topic"] == "result")):
        assert (model["calibrated"], model["interval_coverage"]) == (True, 0.9)


def test_a_summary_is_the_same_from_the_journal_and_from_the_daemon(
    daemon: DaemonChild, tmp_path: Path
) -> None:
    lines = _watched(daemon, ("replay", DATA / "real_quads.phenorec"))
    told = next(line for line in lines if line["topic"] == "summary")
    kept, words = tmp_path / "kept.json", ("--mode", "template", "--json")
    sources = (str(daemon.folder / "journal"), daemon.ready["control"])
    said = [json.loads(_ran(_phenostream("summarise", source, *words))) for source in sources]
    assert said[0] == said[1]
    assert (said[0]["text"], said[0]["offset"]) == (told["text"], told["offset"])
    _ran(_phenostream("summarise", sources[1], "--save-reference", kept))
    compared = json.loads(_ran(_phenostream("summarise", sources[0], "--reference", kept, *words)))
    counted, (comparison,) = compared["facts"], compared["facts"].pop("comparisons")
    assert comparison["obstacle"] is None
    assert {one["verdict"] for one in comparison["shares"]} <= {"unclear", "too_few"}
    for name in ("found", "classified", "account", "flagged", "rejected_share", "run"):
        assert counted[name] == said[0]["facts"][name]


def test_a_microscope_can_be_recorded_and_the_recording_replayed(
    daemon: DaemonChild, tmp_path: Path
) -> None:
    url, recording = f"ipc://{tmp_path}/recorder", tmp_path / "cells.phenorec"
    record = _phenostream("record", "--from", url, recording, "--until-end", "--json")
    simulate = _phenostream(
        "simulate", "--to", url, "--frames", "3", "--size", "512", "--seed", "1", "--json"
    )
    said = json.loads(_ran(record))
    told = json.loads(_ran(simulate))
    assert (told["recorded"], told["ledger"]["published"]) == (3, 0)
    assert said["complete"]
    assert said["frames"] == 3
    replayed = json.loads(
        _ran(_phenostream("replay", recording, "--to", daemon.ready["ingest"], "--json"))
    )
    assert replayed["ledger"]["published"] == 3


def test_the_demo_ends_well_and_accounts_for_every_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "toy.fake.json").write_text("{}")
    said = _ran(
        _phenostream(
            "demo",
            "--llm",
            tmp_path / "toy.fake.json",
            "--frames",
            "3",
            "--size",
            "512",
            "--recording",
            DATA / "real_quads.phenorec",
            "--json",
        )
    )
    for run in map(json.loads, said.splitlines()):
        assert run["frames"] == run["ledger"]["received"] == run["ledger"]["published"] > 0
        assert run["summary"]["text"]
        assert run["summary"]["source"] == "llm-grammar"
