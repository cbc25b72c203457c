"""A saved population comes back as it was, or not at all."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phenostream.engine.errors import BadInput
from phenostream.engine.summary.comparing import Baseline, with_comparisons
from phenostream.engine.summary.reference import Reference, reference_of
from phenostream.engine.summary.window import WindowStatistics
from tests.engine.summary.populations import CASES, Population

SHA256 = "c" * 64


def drawn(seed: int) -> WindowStatistics:
    return Population(seed).draw(1000)


@pytest.mark.parametrize("seed", range(CASES))
def test_a_reference_comes_back_as_it_was_and_compares_as_its_cells_do(seed: int) -> None:
    saved = Reference("healthy", SHA256, drawn(seed))
    text = saved.as_text()
    back = reference_of(text)
    assert back.as_text() == text
    assert back.statistics.context == saved.statistics.context
    for mine, other in zip(
        back.statistics.tally.arrays(), saved.statistics.tally.arrays(), strict=True
    ):
        np.testing.assert_array_equal(mine, other)
    now = Population(seed).draw(500)
    told = [
        with_comparisons(now.facts(), now, [one])
        for one in (back.baseline(), Baseline("reference", saved.statistics, "healthy", SHA256))
    ]
    assert told[0] == told[1]


def test_a_reference_is_compared_only_by_the_model_that_saw_it() -> None:
    now = drawn(7)
    for sha256, obstacle in ((SHA256, None), ("d" * 64, "another model")):
        facts = replace(now.facts(), model_sha256=sha256)
        (comparison,) = with_comparisons(
            facts, now, [Reference("old", SHA256, drawn(7)).baseline()]
        ).comparisons
        assert (comparison.obstacle, comparison.name) == (obstacle, "old")


def plain() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(Reference("healthy", SHA256, drawn(7)).as_text())
    return document


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("format", "phenostream-recording", "format"),
        ("version", 1, "version"),
        ("spread", {}, "spread.shares"),
        ("spread", {"shares": [], "markers": []}, "spread.shares: allowed"),
        ("name", "", "name"),
        ("name", "x" * 65, "name"),
        ("model_sha256", "c" * 63, "model_sha256"),
        ("frames", -1, "frames"),
        ("frames", 0, "flagged"),
        ("frames", 1.5, "frames"),
        ("unusual", 10**9, "unusual 1000000000"),
        ("unusual", 1 << 60, "unusual"),
        ("status", {"classified": 3}, "status: allowed classified, edge"),
        ("flagged", {}, "flagged: allowed frames"),
        ("classes", [], "classes: 0 of"),
        ("context", {}, "context: classes"),
        ("context", 3, "context"),
        ("moon_phase", 3, "moon_phase"),
    ],
)
def test_a_document_that_cannot_be_is_refused_in_one_line(
    key: str, value: object, said: str
) -> None:
    document = plain()
    document["flagged"]["frames"] = document["flagged"]["dark"] = 1
    with pytest.raises(BadInput, match=r"^reference: ") as refused:
        reference_of(json.dumps({**document, key: value}))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("count", 10**6, "marker values of 1000000 cells"),
        ("confidence", 1e9, "confidence 1e+09"),
        ("confidence", -1.0, "confidence"),
        ("z", [], "0 histograms of"),
    ],
)
def test_a_class_whose_counts_contradict_each_other_is_refused(
    key: str, value: object, said: str
) -> None:
    document = plain()
    document["classes"][0][key] = value
    with pytest.raises(BadInput, match=r"^reference: ") as refused:
        reference_of(json.dumps(document))
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("row", "column", "factor"),
    [(0, 0, 0.01), (0, 0, 1e3), (0, 1, 1e3), (0, 2, 0.01), (0, 2, 1e3), (-2, 2, 1e3), (-1, 2, 1e6)],
)
def test_sums_of_squares_that_no_frames_can_have_are_refused(
    row: int, column: int, factor: float
) -> None:
    document = plain()
    document["spread"]["shares"][row][column] *= factor
    with pytest.raises(BadInput, match=r"^reference: spread: sums of squares that \d+ frames"):
        reference_of(json.dumps(document))


@pytest.mark.parametrize(("place", "factor"), [(0, 0.0), (1, 1e4)])
def test_sums_of_a_marker_that_no_frames_can_have_are_refused(place: int, factor: float) -> None:
    document = plain()
    document["spread"]["markers"][0][0][place] *= factor
    with pytest.raises(BadInput, match=r"^reference: spread: sums of squares"):
        reference_of(json.dumps(document))


def test_a_document_of_the_first_version_is_refused_in_one_line() -> None:
    document = plain()
    del document["spread"]
    with pytest.raises(BadInput, match="version: ") as refused:
        reference_of(json.dumps({**document, "version": 1}))
    assert "\n" not in str(refused.value)


def test_a_histogram_that_reaches_beyond_its_end_is_refused() -> None:
    document = plain()
    document["classes"][0]["z"][0]["first"] = 3199
    with pytest.raises(BadInput, match="more than 3200 steps"):
        reference_of(json.dumps(document))


@settings(deadline=None)
@given(st.text() | st.sampled_from(["[" * 100_000, "{}", "null", "NaN", '{"format": 1e999}']))
def test_any_other_text_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(BadInput, match=r"^reference: ") as refused:
        reference_of(text)
    assert "\n" not in str(refused.value)


def test_a_text_that_is_too_long_is_refused_unread() -> None:
    with pytest.raises(BadInput, match="allowed up to"):
        reference_of(" " * (4 << 20) + "{}")
