"""Lines that name run, instrument and trust, who worded a summary, and what a run is."""

from typing import Any

import numpy as np

from phenostream.daemon.client.records import Record
from phenostream.daemon.wire.results import FrameRecord, WireColumn
from phenostream.deploy.cli.record_lines import frame_line, record_line, summary_source
from phenostream.deploy.language_models.catalogue import SMOLLM2

RUN = "01890a5d-ac96-774b-bcce-b302099a8057"


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


def test_a_run_that_has_drifted_is_told_to_have_in_every_line() -> None:
    line = frame_line(a_frame(drift=["training:feature/3", "training:rejected"]))
    assert line.endswith("  DRIFT (2)")
    assert "DRIFT" not in frame_line(a_frame(drift=[]))


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


def test_a_doubtful_frame_says_why_and_a_good_one_does_not() -> None:
    flags = {"four_shot_residual": 0.02, "dark": True, "saturated": False, "noisy": True}
    assert frame_line(a_frame(flags=flags)).endswith("  synthetic  DARK  NOISY")
    assert frame_line(a_frame(flags={"dark": False})).endswith("  synthetic")


def drift_body(**more: Any) -> dict[str, Any]:
    return {"type": "status", "run": RUN, "instrument": "scope-1", **more}


def test_an_alarm_of_drift_says_what_has_moved_how_far_and_from_what() -> None:
    shift = {"quantity": "rejected", "before": 0.2, "now": 0.41, "tolerance": 0.1, "p": 0.0}
    body = drift_body(event="drift", against="previous_run", open=True, **shift)
    assert record_line(Record("status", 9, body)).endswith(
        f"run {RUN} of scope-1: rejected has drifted from the previous run: 41.0 %, allowed 20.0 ± 10.0"
    )
    back = record_line(Record("status", 9, body | {"open": False}))
    assert "rejected is back at the previous run" in back
    gone = record_line(Record("status", 9, body | {"open": False, "beyond": True}))
    assert "rejected cannot be tested any more against the previous run" in gone


def test_the_end_of_a_run_says_how_much_of_it_has_drifted() -> None:
    against = [
        {"against": "training", "obstacle": None, "shifts": [{"beyond": True}, {"beyond": False}]},
        {"against": "previous_run", "obstacle": "another model", "shifts": []},
    ]
    body = drift_body(event="run_drift", frames=40, against=against)
    line = record_line(Record("status", 9, body))
    assert "drift of 40 frames: 1 of 2 watched quantities away from the training; " in line
    assert "nothing compared with the previous run: another model" in line
    alone = record_line(Record("status", 9, body | {"against": []}))
    assert "compared with nothing" in alone
