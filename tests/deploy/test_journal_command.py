"""`phenostream journal`: what it says, its exit codes, and that looking changes nothing."""

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from phenostream.daemon.claims import claimed
from phenostream.daemon.journal.log import Journal
from phenostream.daemon.ledger import Ledger
from phenostream.daemon.pipeline.entries import RunEnded, RunStarted
from phenostream.daemon.pipeline.records import run_ended, run_started
from phenostream.daemon.recovery import recover
from phenostream.daemon.run_id import new_run_id
from phenostream.daemon.wire.codec import pack
from phenostream.daemon.wire.ingest import Start
from phenostream.deploy.cli.main import main
from phenostream.engine.types import REDUCED_PIXEL_UM, SHOTS


def a_start() -> Start:
    return Start.model_validate(
        {
            "run": new_run_id(),
            "instrument": "scope",
            "pixel_size_um": REDUCED_PIXEL_UM,
            "dark_level": 0.0,
            "white_level": 255.0,
            "bit_depth": 8,
            "dtype": "u8",
            "height": 128,
            "width": 128,
            "shots": SHOTS,
            "wavelength_um": 0.53,
            "numerical_aperture": 0.5,
            "synthetic": True,
            "source_utc_ns": 1,
        }
    )


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Start, Start]:
    """A journal of one run that ended in 1970 and one that is open."""
    old, now = a_start(), a_start()
    journal = Journal(tmp_path, 2000)
    ledger = Ledger()
    for start in (old, now):
        journal.append([("status", run_started(RunStarted(start), model_synthetic=True))])
        ledger.open(start.run, None)
        for seq in range(8):
            meta: dict[str, Any] = {
                "run": start.run,
                "instrument": "scope",
                "frame_seq": seq,
                "fate": "published",
                "reason": None,
                "counts": {"found": 1},
                "received_utc_ns": 10 + seq,
            }
            journal.append([("result", pack({"v": 1, **meta, "columns": {}, "pad": b"x" * 300}))])
            journal.sync()
            ledger.receive(start.run, seq)
            ledger.settle(start.run, seq, "published", None, {"found": 1})
    ledger.end(old.run, 8)
    payload = run_ended(RunEnded(old), ledger.run(old.run), model_synthetic=True)
    journal.append([("status", payload)])
    journal.sync()
    journal.close()
    return old, now


def image(directory: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in directory.iterdir()}


def harm(directory: Path) -> None:
    path = min(directory.glob("*.journal"))
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def test_list_tells_runs_and_segments(
    runs: tuple[Start, Start], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["journal", "list", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(run["run"], run["ended"], run["published"]) for run in told["runs"]] == [
        (runs[0].run, True, 8),
        (runs[1].run, False, 8),
    ]
    assert told["segments"][0]["first"] == 0
    assert main(["journal", "list", str(tmp_path)]) == 0
    assert runs[1].run in capsys.readouterr().out


def test_verify_changes_no_byte_and_works_beside_a_daemon(
    runs: tuple[Start, Start], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = image(tmp_path)
    codes: list[int] = []
    with claimed(tmp_path / "lock", "test"):
        codes.append(main(["journal", "verify", str(tmp_path)]))
    assert codes == [0]
    assert "good: 19 whole records" in capsys.readouterr().out
    (tmp_path / "lock").unlink()
    assert image(tmp_path) == before


def test_verify_finds_damage_compact_acknowledges_it_and_all_is_well(
    runs: tuple[Start, Start], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    harm(tmp_path)
    assert main(["journal", "verify", str(tmp_path)]) == 1
    assert "is lost" in capsys.readouterr().out
    assert main(["journal", "compact", str(tmp_path)]) == 0
    assert "acknowledged: " in capsys.readouterr().out
    assert main(["journal", "verify", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["good"], told["losses"], told["wrong_footers"]) == (True, [], [])
    assert [gap["why"] for gap in told["gaps"]] == ["damage"]
    assert recover(tmp_path, 2000, 8).journal.losses == ()


def test_what_is_dropped_is_gone_and_its_frames_are_still_known(
    runs: tuple[Start, Start], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["journal", "compact", str(tmp_path), "--drop-ended-days", "30", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["dropped"] == 8
    assert told["bytes_after"] < told["bytes_before"]
    found = recover(tmp_path, 2000, 8)
    assert found.ledger.standing(runs[0].run, 3).kind == "settled"
    assert found.ledger.ended(runs[0].run)
    assert found.ledger.total()["published"] == 16
    assert found.ledger.standing(runs[1].run, 3).kind == "settled"
    left = [record for record in found.journal.read(0) if record.topic == "result"]
    assert len(left) == 8
    found.journal.close()
    for path in tmp_path.glob("*.checkpoint"):
        path.unlink()
    whole = recover(tmp_path, 2000, 8)
    assert whole.ledger.standing(runs[0].run, 3).kind == "late"  # refused, never taken twice
    assert whole.journal.losses == ()
    whole.journal.close()


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["--drop-run", "nobody"], "--drop-run nobody: not in this journal"),
        (["--drop-ended-days", "-1"], "--drop-ended-days -1: allowed 0 or more"),
        (["--max-bytes", "-1"], "--max-bytes -1: allowed 0 or more"),
        (["--max-age-days", "nan"], "--max-age-days nan: allowed 0 or more"),
    ],
)
def test_bad_wishes_are_one_line_and_exit_2(
    runs: tuple[Start, Start],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    why: str,
) -> None:
    assert main(["journal", "compact", str(tmp_path), *more]) == 2
    assert why in capsys.readouterr().err


def test_an_open_run_is_never_dropped(
    runs: tuple[Start, Start], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["journal", "compact", str(tmp_path), "--drop-run", runs[1].run]) == 2
    assert "has not ended" in capsys.readouterr().err


def test_compact_refuses_while_a_daemon_holds_the_journal(
    runs: tuple[Start, Start], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with claimed(tmp_path / "lock", "test"):
            held.set()
            done.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(10)
    assert main(["journal", "compact", str(tmp_path)]) == 2
    assert "in use by another daemon" in capsys.readouterr().err
    done.set()
    thread.join(10)


def test_compact_refuses_to_make_files_that_the_daemon_could_not_read(
    runs: tuple[Start, Start],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, owner = image(tmp_path), os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert main(["journal", "compact", str(tmp_path)]) == 2
    assert f"belongs to user {owner}, allowed as that user" in capsys.readouterr().err
    assert image(tmp_path) == before


@pytest.mark.parametrize("kind", ["list", "verify", "compact"])
def test_a_folder_without_a_journal_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    assert main(["journal", kind, str(tmp_path / "none")]) == 2
    assert "no journal in it" in capsys.readouterr().err
