"""`watch`: lines that name run, instrument and trust, and what is said while nothing comes."""

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import pytest

from phenostream.daemon.client.records import Record
from phenostream.daemon.client.subscriber import Subscriber
from phenostream.daemon.wire.results import FrameRecord, WireColumn
from phenostream.deploy.cli import watch
from phenostream.deploy.cli.main import main
from phenostream.deploy.cli.watch import followed, frame_line, record_line, summary_source
from phenostream.deploy.language_models.catalogue import SMOLLM2

RUN = "01890a5d-ac96-774b-bcce-b302099a8057"


class Told:
    """A subscriber of a script: each step is seconds that pass, seconds of silence then, and what comes."""

    def __init__(self, *steps: tuple[float, float, Record | None]) -> None:
        self._steps = steps
        self.now_s, self.silent_s = 100.0, 0.0

    def events(self) -> Iterator[Record | None]:
        for passed_s, silent_s, record in self._steps:
            self.now_s, self.silent_s = self.now_s + passed_s, silent_s
            yield record


def follow(told: Told, *, until_end: bool) -> list[Record]:
    return list(followed(cast(Subscriber, told), until_end, lambda: told.now_s))


def status(event: str, run: str) -> Record:
    return Record("status", 0, {"event": event, "run": run, "instrument": "scope-1"})


def test_silence_and_its_end_are_each_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    follow(Told((1, 1, None), (5, 6, None), (1, 7, None), (1, 0, None)), until_end=False)
    silent, back = capsys.readouterr().err.splitlines()
    assert "no word from the daemon for 5 s" in silent
    assert "back" in back


def test_runs_that_stay_open_are_named_after_ten_seconds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    started, other = status("run_started", "a-12345678"), status("run_started", "b-87654321")
    ended = status("run_ended", "a-12345678")
    told = Told((0, 0, started), (0, 0, other), (0, 0, ended), (9, 0, None), (2, 0, None))
    assert follow(told, until_end=True) == [started, other, ended]
    (said,) = capsys.readouterr().err.splitlines()
    assert said.endswith("waiting for 1 open runs: 87654321")


def test_watching_until_the_end_stops_there() -> None:
    started, ended = status("run_started", "a"), status("run_ended", "a")
    told = Told((0, 0, started), (0, 0, ended), (0, 0, None), (0, 0, started))
    assert follow(told, until_end=True) == [started, ended]


def a_frame(**changes: Any) -> FrameRecord:
    meta = {
        "run": RUN,
        "instrument": "scope-1",
        "frame_seq": 3,
        "fate": "published",
        "counts": {"found": 3, "rejected": 1, "edge": 0},
        "model": {"classes": ["lymphocyte", "monocyte", "granulocyte"]},
        "timing_ms": {"total": 5.0},
        "synthetic": True,
    }
    columns: dict[str, Any] = {
        "class": np.array([0, 2, 255], np.uint8),
        "class_probability": np.array([[0.9, 0.1, 0], [0.2, 0.1, 0.7], [np.nan] * 3], np.float32),
        "ood": np.array([False, True, True]),
    }
    return FrameRecord(meta | changes, {name: WireColumn(v, "1") for name, v in columns.items()})


def test_a_frame_line_names_run_and_instrument_confidence_and_unusual_cells() -> None:
    line = frame_line(a_frame())
    assert line.startswith("scope-1 099a8057  frame     3")
    assert "confidence 80 %    1 unusual" in line


def test_failed_cells_and_a_degraded_daemon_are_told_in_capitals() -> None:
    counts = {"found": 3, "rejected": 1, "edge": 0, "failed": 1}
    line = frame_line(a_frame(counts=counts, degraded=["engine", "journal"]))
    assert line.endswith("  1 FAILED  DEGRADED (engine, journal)")


def test_a_model_that_cannot_decide_is_not_said_to_have_found_nothing() -> None:
    bare = {"calibrated": False, "ood_threshold": None, "reject_threshold": None}
    frame = a_frame()
    frame.meta["model"] |= bare
    line = frame_line(frame)
    assert "confidence 80 % uncalibrated  n/a unusual" in line
    assert "  n/a rejected" in line


def test_a_frame_that_was_not_published_names_its_run_too() -> None:
    line = frame_line(a_frame(fate="quarantined", reason="shape"))
    assert line == "scope-1 099a8057  frame     3  QUARANTINED: shape"


def test_a_summary_line_names_run_and_instrument() -> None:
    body = {"run": RUN, "instrument": "scope-1", "scope": "window", "text": "all quiet"}
    assert record_line(Record("summary", 7, body)).endswith(
        "scope-1 099a8057  summary of the window (template): all quiet"
    )


def test_a_summary_that_a_language_model_worded_says_which_and_in_place_of_which_record() -> None:
    llm = {"name": "own", "sha256": "abcdef012345" + "0" * 52, "binding": "fake"}
    body: dict[str, Any] = {"run": RUN, "instrument": "scope-1", "scope": "run"}
    body |= {"text": "all \x1b[2Jquiet"}
    body |= {"source": "llm-grammar", "of_offset": 7, "llm": llm, "seconds": 3.14}
    assert record_line(Record("summary", 9, body)).endswith(
        "summary of the run (llm-grammar, own (abcdef012345), 3.1 s, in place of 7): all ?[2Jquiet"
    )


def test_a_model_of_the_table_is_known_by_its_hash_whatever_it_calls_itself() -> None:
    llm = {"name": "GPT", "sha256": SMOLLM2.sha256, "binding": "fake"}
    said = summary_source({"source": "llm-grammar", "llm": llm, "seconds": 2})
    assert said == f"llm-grammar, {SMOLLM2.title} ({SMOLLM2.sha256[:12]}), 2.0 s"


def test_a_run_with_possible_gaps_and_one_without_its_end_say_so() -> None:
    body = {"run": RUN, "instrument": "scope-1", "mode": "best-effort"}
    begun = record_line(Record("status", 7, body | {"event": "run_started"}))
    assert begun.endswith("run_started; BEST EFFORT: gaps are possible")
    ended = body | {"event": "run_ended", "ended_by": "timeout", "ledger": {"missing": 3}}
    line = record_line(Record("status", 8, ended))
    assert "ended by timeout, its end was lost; frames: " in line
    assert "3 missing" in line


def test_a_run_that_began_before_says_what_it_is_and_how_far() -> None:
    start = {"shots": ["left", "top"], "height": 512, "width": 256, "dtype": "u16"}
    body = {
        "run": RUN,
        "instrument": "scope-1",
        "event": "run_open",
        "synthetic": True,
        "start": start | {"pixel_size_um": 0.1715},
        "counts": {"received": 40},
    }
    line = record_line(Record("status", 7, body))
    assert line.endswith(
        "run_open; 2 x 512 x 256 u16, 0.1715 um a pixel; 40 frames so far; synthetic"
    )


def test_one_run_of_several_is_shown_by_the_end_of_its_id(
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = status("run_started", "b-87654321")
    started, ended = status("run_started", "a-12345678"), status("run_ended", "a-12345678")
    told = Told((0, 0, other), (0, 0, started), (0, 0, ended), (0, 0, None), (0, 0, other))
    seen = followed(cast(Subscriber, told), True, lambda: told.now_s, "12345678")
    assert list(seen) == [started, ended]
    assert capsys.readouterr().err == ""


def test_a_change_of_the_model_concerns_every_run_and_names_both() -> None:
    card = {"name": "toy", "sha256": "ab" * 32, "backend": "openvino", "precision": "bf16"}
    body = {
        "event": "model_changed",
        "before": card | {"version": "1"},
        "after": card | {"version": "2"},
        "why": "asked for",
    }
    change = Record("status", 7, body)
    told = Told((0, 0, change), (0, 0, None))
    assert list(followed(cast(Subscriber, told), False, lambda: told.now_s, "8057")) == [change]
    assert record_line(change).endswith(
        "model: toy 2 (abababababab) on openvino bf16 serves from now on, before it "
        "toy 1 (abababababab) on openvino bf16; asked for"
    )


@pytest.mark.parametrize(("words", "code"), [([], 0), (["--until-end"], 1)])
def test_ctrl_c_is_how_an_endless_watch_ends_well(
    words: list[str], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> Iterator[Record]:
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(watch, "followed", interrupted)
    monkeypatch.setattr(Subscriber, "wait_subscribed", lambda _self: None)
    assert main(["watch", "ipc:///tmp/phenostream-nobody", *words]) == code


def test_a_doubtful_frame_says_why_and_a_good_one_does_not() -> None:
    flags = {"four_shot_residual": 0.02, "dark": True, "saturated": False, "noisy": True}
    assert frame_line(a_frame(flags=flags)).endswith("  synthetic  DARK  NOISY")
    assert frame_line(a_frame(flags={"dark": False})).endswith("  synthetic")


def test_no_run_is_not_any_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "ipc:///tmp/phenostream-nobody", "--run", ""]) == 2
    assert "--run ''" in capsys.readouterr().err


def test_the_run_that_is_wanted_reaches_the_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def note_what(*arguments: object) -> Iterator[Record]:
        asked.append(arguments[3])
        yield from ()

    monkeypatch.setattr(watch, "followed", note_what)
    monkeypatch.setattr(Subscriber, "wait_subscribed", lambda _self: None)
    for words in ([], ["--run", "8057"]):
        assert main(["watch", "ipc:///tmp/phenostream-nobody", *words]) == 0
    assert asked == [None, "8057"]
