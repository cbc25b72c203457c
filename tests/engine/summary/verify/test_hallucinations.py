"""What small language models really wrote when they were left alone, and must not pass."""

import pytest

from phenostream.engine.summary.verify import faults
from tests.engine.summary.verify.small import small_facts

_CAVEAT = " Research use only, not a diagnosis."


@pytest.mark.parametrize(
    ("counts", "text", "kinds"),
    [
        (
            (41, 79, 8),
            "Field A01-17 contains 128 cells, mostly granulocytes (41), with 41 lymphocytes and 79 monocytes.",
            {"count"},
        ),
        (
            (52, 7, 5),
            "B03-02 contains 64 cells, mostly granulocytes (52), with 5 lymphocytes and 7 monocytes.",
            {"count", "superlative"},
        ),
        ((41, 79, 8), "Predicted CD34 averages 58.1 with SD 14.9.", {"marker", "number", "word"}),
        (
            (41, 79, 8),
            "The sample has a mean of 182.4 cells per square millimeter, and a low confidence level of 91%.",
            {"unit", "word", "number"},
        ),
        ((52, 7, 5), "The sample contains 64 cells, mostly granulocytes (7).", {"superlative"}),
        ((10, 7, 5), "10 lymphocytes, 10 lymphocytes, 10 lymphocytes.", {"repetition"}),
        (
            (10, 7, 0),
            "Field C11-40 contains 17 cells, mostly neutrophils (3), with 4,000 cells.",
            {"cell type", "count"},
        ),
    ],
)
def test_a_real_hallucination_is_found_for_what_it_is(
    counts: tuple[int, int, int], text: str, kinds: set[str]
) -> None:
    found = faults(text + _CAVEAT, small_facts(counts))
    assert kinds <= {fault.kind for fault in found}, found


@pytest.mark.parametrize(
    "text",
    [
        "The sample contains 128 cells, mostly granulocytes (79), with 41 lymphocytes and 8 monocytes.",
        "Granulocytes: 79, lymphocytes: 41, monocytes: 8.",
        "Seventy-nine of 128 cells (61.7 %) were granulocytes, followed by 41 lymphocytes and eight monocytes.",
        "The granulocytes had a median CD16 of 74.0 a.u. and CD45 of 49.4.",
    ],
)
def test_the_same_told_truly_passes(text: str) -> None:
    assert faults(text + _CAVEAT, small_facts((41, 79, 8))) == []
