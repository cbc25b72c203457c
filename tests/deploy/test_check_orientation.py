"""`check-orientation` on real cells names the four illuminations, and the fault in copies that were wired wrongly."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from phenostream.daemon.client.stream import SourceFrame
from phenostream.daemon.recordings.frames import RecordedFrames
from phenostream.daemon.recordings.reader import RecordingReader
from phenostream.daemon.recordings.writer import write_recording
from phenostream.deploy.cli.main import main
from phenostream.engine.types import SHOTS

REAL = Path(__file__).parents[1] / "data" / "real_quads.phenorec"
Rewrite = Callable[..., Path]


@pytest.fixture
def rewired(tmp_path: Path) -> Rewrite:
    """A copy of the real recording whose announced shots are other shots of it; `None` is a shot in the dark."""

    def rewrite(
        truths: tuple[str | None, ...],
        announced: tuple[str, ...] = SHOTS,
        instrument: str = "scope-1",
        frames: int = 5,
    ) -> Path:
        path = tmp_path / f"{'-'.join(str(truth) for truth in truths)}.phenorec"
        with RecordingReader(REAL) as reader:
            whole = list(RecordedFrames(reader))[:frames]
        start = whole[0].start.model_copy(
            update={"shots": announced, "instrument": instrument, "n_expected": frames}
        )
        dark = np.full_like(whole[0].counts[0], 30)
        sent = [
            SourceFrame(
                frame.frame_seq,
                b"".join(
                    (frame.counts[SHOTS.index(truth)] if truth else dark).tobytes()
                    for truth in truths
                ),
            )
            for frame in whole
        ]
        write_recording(path, start, sent, level=1)
        return path

    return rewrite


def _run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, dict[str, Any]]:
    code = main(["check-orientation", "--json", *(str(word) for word in words)])
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, told


def test_all_four_illuminations_of_the_real_cells_are_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, told = _run(capsys, REAL)
    (run,) = told["runs"]
    assert code == 0
    assert run["fault"] == "ok"
    assert [shot["truth"] for shot in run["shots"]] == list(SHOTS)
    assert run["confidence"] > 0.99
    assert run["toml"] is None


CASES: list[tuple[tuple[str | None, ...], str, bool]] = [
    (("right", "left", "top", "bottom"), "left_right_swapped", True),
    (("left", "right", "bottom", "top"), "top_bottom_swapped", True),
    (("right", "left", "bottom", "top"), "half_turn", True),
    (("bottom", "top", "left", "right"), "quarter_turn_clockwise", True),
    (("top", "bottom", "right", "left"), "quarter_turn_anticlockwise", True),
    (("left", "top", "right", "bottom"), "permuted", True),
    (("left", "left", "top", "bottom"), "repeated", False),
    (("left", "right", "right", "bottom"), "repeated", False),
    (("left", "right", "top", "left"), "repeated", False),
    (("left", None, "top", "bottom"), "missing", False),
]


@pytest.mark.parametrize(("truths", "fault", "mended"), CASES, ids=[case[1] for case in CASES])
def test_the_fault_is_named_and_a_map_offered_where_one_can_help(
    capsys: pytest.CaptureFixture[str],
    rewired: Rewrite,
    truths: tuple[str | None, ...],
    fault: str,
    mended: bool,
) -> None:
    code, told = _run(capsys, rewired(truths))
    (run,) = told["runs"]
    assert (code, run["fault"]) == (3, fault)
    assert [shot["truth"] for shot in run["shots"]] == list(truths)
    if not mended:
        assert run["toml"] is None
        return
    table = tomllib.loads(run["toml"])["ingest"]["channel_map"]["scope-1"]
    assert {**dict(zip(SHOTS, SHOTS, strict=True)), **table} == run["channel_map"]
    assert run["channel_map"] == dict(zip(SHOTS, truths, strict=True))


@pytest.mark.parametrize("instrument", ["scope-1", "lab.scope"])
def test_the_printed_map_mends_the_fault_when_it_is_configured(
    capsys: pytest.CaptureFixture[str], rewired: Rewrite, tmp_path: Path, instrument: str
) -> None:
    announced = ("top", "left", "bottom", "right")
    recording = rewired(("bottom", "right", "left", "top"), announced, instrument)
    _, told = _run(capsys, recording)
    config = tmp_path / "config.toml"
    site = f'[journal]\ndirectory = "{tmp_path}/j"\n[model]\nbundle = "demo"\n'
    config.write_text(site + told["runs"][0]["toml"] + "\n")
    code, mended = _run(capsys, recording, "--config", config)
    assert (code, mended["runs"][0]["fault"]) == (0, "ok")
    assert mended["runs"][0]["taken_for"] == ["bottom", "right", "left", "top"]
    config.write_text(site + f'[ingest.channel_map."{instrument}"]\nleft="top"\ntop="left"\n')
    _, other = _run(capsys, recording, "--config", config)
    assert other["runs"][0]["channel_map"] == told["runs"][0]["channel_map"]


def test_another_order_of_the_data_is_no_fault(
    capsys: pytest.CaptureFixture[str], rewired: Rewrite
) -> None:
    order = ("bottom", "left", "top", "right")
    code, told = _run(capsys, rewired(order, announced=order))
    assert (code, told["runs"][0]["fault"]) == (0, "ok")


def test_two_shots_are_judged_as_far_as_they_go(
    capsys: pytest.CaptureFixture[str], rewired: Rewrite
) -> None:
    code, told = _run(capsys, rewired(("right", "left"), announced=("left", "right")))
    assert (code, told["runs"][0]["fault"]) == (3, "left_right_swapped")


def test_what_is_expected_can_be_a_fault(
    capsys: pytest.CaptureFixture[str], rewired: Rewrite
) -> None:
    recording = rewired(("right", "left", "top", "bottom"))
    assert _run(capsys, recording, "--expect", "left_right_swapped")[0] == 0
    assert _run(capsys, recording, REAL, "--expect", "ok")[0] == 3


def test_people_are_told_in_words_and_shown_the_cells(
    capsys: pytest.CaptureFixture[str], rewired: Rewrite, tmp_path: Path
) -> None:
    recording, picture = rewired(("right", "left", "top", "bottom")), tmp_path / "cells.png"
    assert main(["check-orientation", str(recording), "--picture", str(picture)]) == 3
    shown = capsys.readouterr().out
    assert "FAULT: left and right are exchanged" in shown
    assert "is really right" in shown
    assert "top ✓" in shown
    assert '[ingest.channel_map.scope-1]\n    left = "right"\n    right = "left"' in shown
    image = cv2.imread(str(picture))
    assert image is not None
    assert image.shape[1] == 4 * 280


def test_too_few_cells_decide_nothing_and_say_so(
    capsys: pytest.CaptureFixture[str], rewired: Rewrite
) -> None:
    with RecordingReader(REAL) as reader:
        empty = list(RecordedFrames(reader))[4]
    assert empty.frame_seq == 4
    path = rewired(SHOTS).with_name("empty.phenorec")
    start = empty.start.model_copy(update={"n_expected": 1})
    write_recording(
        path, start, [SourceFrame(0, b"".join(shot.tobytes() for shot in empty.counts))], level=1
    )
    assert main(["check-orientation", str(path)]) == 3
    assert "UNDECIDED: not enough cells: 0, at least 6 more" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["nowhere.phenorec"], "no such file"),
        ([str(Path(__file__))], "not a phenostream recording"),
        ([str(REAL), "--frames", "0"], "--frames 0: allowed 1 or more"),
        ([str(REAL), "--picture", "a.jpg"], "ends in .png"),
        ([str(REAL), "--expect", "fine"], "invalid choice"),
    ],
)
def test_bad_input_is_one_line(
    capsys: pytest.CaptureFixture[str], words: list[str], part: str
) -> None:
    assert main(["check-orientation", *words]) == 2
    said = capsys.readouterr().err.strip()
    assert part in said
    assert "\n" not in said
