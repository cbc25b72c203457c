import re
from collections.abc import Iterator
from dataclasses import astuple, replace
from math import isclose

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phenostream.engine.summary.facts import (
    ClassFacts,
    Facts,
    FlaggedFrames,
    FrameAccount,
    MarkerFacts,
    wilson_interval,
)
from phenostream.engine.summary.template import write_summary
from phenostream.engine.summary.wording import STYLES
from phenostream.engine.types import CLASSES, MARKERS

_INTERVAL_PERCENT = 95.0


def _facts(
    counts: tuple[int, int, int], *, rejected: int = 0, edge: int = 0, synthetic: bool = True
) -> Facts:
    classified = sum(counts)
    classes = []
    for k, (name, count) in enumerate(zip(CLASSES, counts, strict=True)):
        low, high = wilson_interval(count, classified)
        markers = tuple(
            MarkerFacts(
                marker,
                12.34 * (k + m + 1),
                5.6 * (m + 1),
                7890.1 * (m + 1),
                1.9 * (k + 1),
                77.7 * (m + 1),
            )
            for m, marker in enumerate(MARKERS)
        )
        share = count / classified if classified else 0.0
        has = count > 0
        classes.append(
            ClassFacts(name, count, share, low, high, 0.8 if has else None, markers if has else ())
        )
    return Facts(
        frames=3,
        found=classified + rejected + edge,
        classified=classified,
        edge=edge,
        rejected=rejected,
        over_limit=0,
        rejected_share=0.0,
        mean_confidence=0.876 if classified else None,
        unusual=classified // 7,
        unusual_share=(classified // 7) / classified if classified else 0.0,
        classes=tuple(classes),
        marker_unit="a.u.",
        interval_coverage=0.9,
        calibrated=True,
        synthetic=synthetic,
        model_synthetic=synthetic,
        source_synthetic=False,
        model="demo 1",
    )


def _written(facts: Facts) -> str:
    """In the style that tells everything."""
    return write_summary(facts, "lab")


def _numbers_of(facts: Facts) -> Iterator[float]:
    yield from (facts.frames, facts.found, facts.classified, facts.edge, facts.rejected)
    yield from (facts.unusual or 0, 100 * (facts.unusual_share or 0), _INTERVAL_PERCENT)
    yield 100 * (facts.interval_coverage or 0)
    yield from astuple(facts.flagged)
    if facts.account is not None:
        yield from astuple(facts.account)
    if facts.mean_confidence is not None:
        yield 100 * facts.mean_confidence
    for one in facts.classes:
        yield from (one.count, 100 * one.share, 100 * one.share_low, 100 * one.share_high)
        for marker in one.markers:
            yield from (marker.median, marker.cell_low or 0, marker.cell_high or 0)


def _numbers_in(text: str) -> list[float]:
    words = re.sub(r"\bCD\d+|HLA-DR|“[^”]*”", "", text)
    return [float(n.replace(",", "")) for n in re.findall(r"\d[\d,]*\.?\d*(?:e[+-]\d+)?", words)]


cells = st.tuples(st.integers(0, 5000), st.integers(0, 5000), st.integers(0, 5000))


@settings(deadline=None)
@given(counts=cells, rejected=st.integers(0, 99), edge=st.integers(0, 99))
def test_every_number_in_the_text_is_a_fact(
    counts: tuple[int, int, int], rejected: int, edge: int
) -> None:
    facts = _facts(counts, rejected=rejected, edge=edge)
    known = list(_numbers_of(facts))
    for number in _numbers_in(_written(facts)):
        assert any(isclose(number, k, rel_tol=0.006, abs_tol=0.051) for k in known), number


@settings(deadline=None)
@given(counts=cells)
def test_mostly_is_said_only_of_more_than_half(counts: tuple[int, int, int]) -> None:
    text = _written(_facts(counts))
    majority = [n for n, c in zip(CLASSES, counts, strict=True) if 2 * c > sum(counts)]
    said = re.findall(r"(?:mostly|all) (\w+)s:", text)
    assert said == majority


@pytest.mark.parametrize("counts", [(0, 0, 0), (1, 0, 0), (5, 5, 0), (100, 900, 30)])
def test_it_always_says_that_it_is_no_diagnosis(counts: tuple[int, int, int]) -> None:
    for style in STYLES:
        text = write_summary(_facts(counts), style)
        assert text.endswith("Research use only, not a diagnosis.")
        assert "\n" not in text


def test_pooled_channels_are_named_as_pooled() -> None:
    text = _written(_facts((1, 9, 2)))
    assert "at least one of CD3, CD19 or CD56 (pooled, cannot be separated)" in text
    assert "at least one of CD45" not in text


def test_synthetic_is_said_exactly_when_it_is_so() -> None:
    assert "Synthetic" in _written(_facts((1, 2, 3)))
    assert "ynthetic" not in _written(_facts((1, 2, 3), synthetic=False))


def test_no_cells_are_reported_without_shares_or_markers() -> None:
    for style in STYLES:
        text = write_summary(_facts((0, 0, 0), synthetic=False), style)
        assert text.startswith("No cells were found in 3 frames. ")
        assert "yte" not in text
        assert "share" not in text


def test_one_cell_is_written_in_the_singular() -> None:
    text = _written(_facts((0, 1, 0)))
    assert text.startswith("1 cell was found in 3 frames: 1 was classified. ")
    assert (
        "the 1 granulocyte, with the nominal 90 % interval of a single such cell (unit: a.u.):"
        in text
    )


def test_frames_whose_cells_were_all_rejected_claim_no_class() -> None:
    text = _written(_facts((0, 0, 0), rejected=4, edge=1))
    assert text.startswith(
        "5 cells were found in 3 frames: 0 were classified, 4 were rejected as not a white cell "
        "and 1 lay at a frame's edge. "
    )
    assert "ytes" not in text


@pytest.mark.parametrize("counts", [(0, 0, 0), (5, 9, 1)])
def test_frames_that_are_not_in_a_summary_are_named_before_any_share(
    counts: tuple[int, int, int],
) -> None:
    account = FrameAccount(announced=13, published=4, dropped=0, quarantined=7, failed=0, missing=2)
    facts = replace(_facts(counts), account=account)
    text = _written(facts)
    assert "(4 of 13 announced are in this summary: 7 quarantined and 2 missing)" in text
    known = list(_numbers_of(facts))
    for number in _numbers_in(text):
        assert any(isclose(number, k, rel_tol=0.006, abs_tol=0.051) for k in known), number


def test_a_whole_run_says_nothing_of_lost_frames() -> None:
    account = FrameAccount(announced=3, published=3, dropped=0, quarantined=0, failed=0, missing=0)
    assert "announced" not in _written(replace(_facts((1, 2, 3)), account=account))


@pytest.mark.parametrize(
    ("flagged", "said"),
    [
        (FlaggedFrames(3, dark=2, saturated=1), "3 frames were flagged: 2 dark and 1 saturated."),
        (FlaggedFrames(1, noisy=1), "1 frame was flagged: 1 noisy."),
        (FlaggedFrames(4, undersampled=4), "4 frames were flagged: 4 undersampled."),
    ],
)
@pytest.mark.parametrize("counts", [(0, 0, 0), (5, 9, 1)])
def test_flagged_frames_are_told_with_or_without_cells(
    counts: tuple[int, int, int], flagged: FlaggedFrames, said: str
) -> None:
    facts = replace(_facts(counts), flagged=flagged)
    text = _written(facts)
    assert said in text
    known = list(_numbers_of(facts))
    for number in _numbers_in(text):
        assert any(isclose(number, k, rel_tol=0.006, abs_tol=0.051) for k in known), number


def test_frames_without_a_flag_are_not_called_flagged() -> None:
    assert "flagged" not in _written(_facts((1, 2, 3)))


def test_a_model_without_intervals_score_and_rejection_says_what_it_cannot_tell() -> None:
    whole = _facts((1, 9, 2))
    classes = tuple(
        replace(one, markers=tuple(replace(m, cell_low=None, cell_high=None) for m in one.markers))
        for one in whole.classes
    )
    bare = replace(
        whole,
        classes=classes,
        unusual=None,
        unusual_share=None,
        interval_coverage=None,
        calibrated=False,
        rejects=False,
    )
    text = _written(bare)
    assert "granulocytes, without an interval, for this model has none (unit: a.u.): " in text
    assert "mean confidence 87.6 %, uncalibrated" in text
    assert (
        "This model does not tell whether a cell is a white cell at all or whether it is like the training cells."
        in text
    )
    at_the_bedside = write_summary(bare, "bedside")
    assert "This model does not tell whether a cell is a white cell at all" in at_the_bedside
    assert "does not tell" not in write_summary(replace(bare, rejects=True), "bedside")
    assert " to " not in text.partition("Estimated")[2].replace("like the training", "")
    assert "does not tell" not in _written(whole)
