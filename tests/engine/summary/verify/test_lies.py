"""Sentences in which every number is true and the sentence is not, or says more than the facts do."""

from dataclasses import replace

import pytest

from phenostream.engine.summary.facts import (
    NONE_FLAGGED,
    Facts,
    FlaggedFrames,
    FrameAccount,
    wilson_interval,
)
from phenostream.engine.summary.verify import faults
from tests.engine.summary.verify.small import small_facts

_CAVEAT = " Research use only, not a diagnosis."
_OWED = {
    "flagged": "2 frames were flagged.",
    "announced": "3 of the 5 announced frames are in this summary.",
}


def _facts() -> Facts:
    """128 classified (41, 79, 8), 12 rejected, 5 at an edge; 18 of the classified unusual; 2 of 3 frames flagged."""
    low, high = wilson_interval(12, 140)
    return small_facts(
        (41, 79, 8),
        rejected=12,
        edge=5,
        rejected_share=12 / 140,
        rejected_low=low,
        rejected_high=high,
        unusual=18,
        unusual_share=18 / 128,
        flagged=FlaggedFrames(2, dark=2, noisy=1),
        account=FrameAccount(5, 3, 1, 0, 0, 1),
    )


@pytest.mark.parametrize(
    "lie",
    [
        "12 cells were rejected, mostly granulocytes.",
        "12 cells were rejected (8 monocytes).",
        "5 cells lay at a frame's edge, 79 of them were granulocytes.",
        "Of the 79 granulocytes, 41 were lymphocytes.",
        "Of the 79 granulocytes, 12 were rejected.",
        "Of the classified cells, 12 were rejected.",
        "128 cells were classified, of which 12 were rejected.",
        "79 granulocytes (12 rejected) were found.",
        "79 granulocytes (41 lymphocytes) were found.",
        "79 granulocytes: 41 lymphocytes.",
        "79 granulocytes, of which 18 look unlike the training cells.",
        "12 cells were rejected, of which 18 look unlike the training cells.",
        "79 granulocytes; of these, 18 look unlike the training cells.",
        "2 frames were flagged, mostly granulocytes.",
        "18 cells look unlike the training cells, mostly granulocytes.",
        "41 lymphocytes were mostly granulocytes.",
        "The lymphocytes were granulocytes.",
        "Lymphocytes (79) and granulocytes (41) were found.",
        "Granulocytes 41, lymphocytes 79.",
        "79 and 41 cells were granulocytes and lymphocytes.",
        "145 cells were found, 61.7 % of the cells were granulocytes.",
        "Most cells found were lymphocytes.",
        "Nearly all classified cells are granulocytes.",
        "Half of the classified cells are granulocytes.",
        "Twice as many granulocytes as lymphocytes were found.",
        "About 80 granulocytes were found.",
        "More than 79 granulocytes were found.",
        "79 granulocytes were not found.",
        "There were no 79 granulocytes.",
        "The rarest class is monocytes (8), followed by granulocytes (79).",
        "Granulocytes are the largest class, followed by monocytes.",
        "Lymphocytes outnumber granulocytes.",
        "The share of granulocytes is 61.7 %; the reject rate is 8.6 % (95 % interval 53.1 % to 69.7 %).",
        "The share of granulocytes is 61.7 % (95 % interval 24.6 % to 40.5 %).",
        "The share of granulocytes is 61.7 % (90 % interval 53.1 % to 69.7 %).",
        "Granulocytes make up 61.7 % of the classified cells, within the normal range.",
        "The granulocytes have a mean CD16 of 74.0 a.u.",
        "The granulocytes have a CD16 of 74.0 a.u.",
        "The median CD16 is 74.0 a.u.",
        "In lymphocytes, the median CD16 of granulocytes is 74.0 a.u.",
        "Lymphocytes and granulocytes have a median CD16 of 74.0 a.u.",
        "The granulocytes have a median CD16 of 74.0 pg/ml.",
        "The granulocytes have a median CD16 of 74.0 %.",
        "The granulocytes have a median CD3 of 24.7 a.u.",
        "The granulocytes have a median CD3/CD19/CD56 of 24.7 a.u.",
        "The granulocytes have a median CD4 of 24.7 a.u.",
        "The granulocytes have a median CD16 of 74.0 a.u. (37.0 to 155).",
        "The granulocytes are CD16 positive.",
        "Median CD16 was highest in granulocytes.",
        "Lymphocytes had a higher median CD16 than monocytes.",
        "The mean confidence of granulocytes was 87.6 %.",
        "12 cells were rejected, with a mean confidence of 87.6 %.",
        "Confidence is high.",
        "Compared with the previous window, the share of granulocytes rose.",
        "The share of granulocytes rose from 50 % to 61.7 %.",
        "The share of granulocytes is unchanged.",
        "There were more granulocytes.",
        "The cells were simulated.",
        "The model was trained on simulated cells.",
        "This model cannot tell whether a cell is a white cell.",
        "The confidence is uncalibrated.",
        "79 granulocytes were found in 5 frames.",
        "3 of the 5 announced frames are in this summary: 1 missing and 1 quarantined.",
        "79 granulocytes, 1 missing, were found.",
        "1 granulocyte was found in 79 frames.",
        "79 neutrophils were found.",
        "79 granulocytes per frame were found.",
        "79th granulocytes were found.",
        "79 % granulocytes were found.",
        "0.617 granulocytes were found.",
        "79,0 granulocytes were found.",
        "Seventy-eight granulocytes were found.",
        "Granulocytes suggest an infection.",
        "Please see a doctor.",
        "79 gr\u0430nulocytes were found.",
        "79 granulocytes\u202e were found.",
        "Research use only, not a diagnosis but close.",
    ],
)
def test_a_lie_is_found(lie: str) -> None:
    found = faults(lie + _CAVEAT, _facts())
    assert [fault for fault in found if fault.kind != "omission"], lie


@pytest.mark.parametrize(
    "truth",
    [
        "145 cells were found: 128 were classified, 12 were rejected and 5 lay at a frame's edge.",
        "Of the 128 classified cells, 79 were granulocytes.",
        "128 cells were classified, of which 79 were granulocytes, 41 were lymphocytes and 8 were monocytes.",
        "The classified cells are mostly granulocytes (79, 62 %).",
        "Granulocytes are the largest class, followed by lymphocytes and monocytes.",
        "Granulocytes outnumber lymphocytes.",
        "The reject rate is 8.6 % (95 % interval 5.0 % to 14.4 %).",
        "18 of the classified cells look unlike the training cells.",
        "2 of the 3 frames were flagged: 2 dark and 1 noisy.",
        "3 of the 5 announced frames are in this summary: 1 dropped and 1 missing.",
        "The granulocytes have a median CD16 of 74.0 a.u. and a median CD45 of 49.4 a.u.",
        "In granulocytes, the median signal of at least one of CD3, CD19 or CD56 is 24.7 a.u.",
        "Median CD16 was highest in monocytes.",
        "The granulocytes have a median CD16 of 74 a.u. (quartiles 59.2 to 96.3).",
    ],
)
def test_a_truth_beside_it_passes(truth: str) -> None:
    owed = [f" {said}" for word, said in _OWED.items() if word not in truth]
    assert faults("".join([truth, *owed, _CAVEAT]), _facts()) == []


def test_what_must_be_said_is_missed() -> None:
    facts = replace(_facts(), synthetic=True, model_synthetic=True, calibrated=False)
    kinds = {fault.kind for fault in faults("The mean confidence is 87.6 %.", facts)}
    assert kinds == {"caveat", "synthetic", "calibration", "omission"}


@pytest.mark.parametrize(
    ("word", "missed"),
    [
        ("flagged", "a text that says that 2 frames were flagged"),
        ("announced", "a text that says how many of the frames announced are in it"),
    ],
)
def test_frames_that_are_flagged_or_not_there_may_not_be_left_out(word: str, missed: str) -> None:
    said = [sentence for known, sentence in _OWED.items() if known != word]
    (fault,) = faults("".join([*said, _CAVEAT]), _facts())
    assert (fault.kind, fault.allowed) == ("omission", missed)


def test_frames_of_another_model_may_not_be_left_out() -> None:
    facts = replace(_facts(), flagged=NONE_FLAGGED, account=None, by_other_models=7)
    (fault,) = faults(f"145 cells were found.{_CAVEAT}", facts)
    assert fault.allowed == "a text that says that 7 frames were seen by another model"
    told = "145 cells were found in 3 frames (7 more of the run were seen by another model)."
    assert faults(told + _CAVEAT, facts) == []


def test_a_long_text_is_refused_unread() -> None:
    (fault,) = faults("79 granulocytes and " * 1000, _facts())
    assert fault.kind == "length"
    assert len(fault.words) <= 80


def test_no_text_makes_more_than_fifty_faults() -> None:
    assert len(faults("lies " * 1000, _facts())) == 50


def test_a_fault_is_one_line() -> None:
    (fault, *_) = faults("80 granulocytes.", _facts())
    assert str(fault) == "count: '80 granulocytes', allowed 79 of class granulocyte"


@pytest.mark.parametrize("name", ["79 granulocytes", "and no", "healthy patient", "cell", "mostly"])
def test_a_name_that_reads_like_a_claim_stands_in_quotation_marks_or_not_at_all(name: str) -> None:
    facts = _facts()
    renamed = tuple(
        replace(one, name=name) if one.name == "monocyte" else one for one in facts.classes
    )
    facts = replace(facts, classes=renamed, flagged=NONE_FLAGGED, account=None)
    assert faults(f"8 {name}s were found.{_CAVEAT}", facts)
    assert not faults(f"8 cells of class “{name}” were found.{_CAVEAT}", facts)
