"""One cell explained: every number is the result's, and nothing is left out that speaks against it."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from phenostream.engine.errors import BadInput
from phenostream.engine.postprocess import NO_CLASS
from phenostream.engine.summary.cell import CellFacts, cell_facts
from phenostream.engine.summary.cell_words import explained
from phenostream.engine.types import CLASSES, MARKERS

CLASSIFIED, EDGE, REJECTED, OVER_LIMIT, FAILED = range(5)
MODEL: dict[str, Any] = {
    "name": "demo",
    "version": "1",
    "sha256": "a" * 64,
    "classes": list(CLASSES),
    "markers": list(MARKERS),
    "marker_unit": "a.u.",
    "calibrated": True,
    "class_coverage": 0.9,
    "interval_coverage": 0.9,
    "ood_threshold": 12.0,
    "reject_threshold": 0.5,
}
META: dict[str, Any] = {
    "run": "0198",
    "instrument": "dpc-1",
    "frame_seq": 4,
    "fate": "published",
    "flags": {"dark": False, "residual_high": True, "four_shot_residual": 0.2},
    "model": MODEL,
    "model_synthetic": True,
    "source_synthetic": False,
}


def columns() -> dict[str, npt.NDArray[Any]]:
    """Five cells: one of each status, in the order of `STATUSES`."""
    nan = np.nan
    probability = [[0.62, 0.3, 0.08], [nan] * 3, [0.1, 0.7, 0.2], [nan] * 3, [nan] * 3]
    seen = np.array([True, False, True, False, False])
    estimate = np.where(seen[:, None], [10.0, 20.0, 1500.0, 7.5], nan)
    return {
        "index": np.arange(5, dtype=np.uint32),
        "x_px": np.linspace(10, 50, 5, dtype=np.float32),
        "y_px": np.linspace(1, 5, 5, dtype=np.float32),
        "diameter_um": np.full(5, 9.25, np.float32),
        "contrast": np.full(5, 12.5, np.float32),
        "status": np.array([CLASSIFIED, EDGE, REJECTED, OVER_LIMIT, FAILED], np.uint8),
        "class": np.array([0, *[NO_CLASS] * 4], np.uint8),
        "class_set": np.array([0b011, 0, 0, 0, 0], np.uint8),
        "class_probability": np.array(probability, np.float32),
        "marker_estimate": estimate.astype(np.float32),
        "marker_low": (estimate * 0.5).astype(np.float32),
        "marker_high": (estimate * 2).astype(np.float32),
        "ood_score": np.array([13.0, nan, 3.0, nan, nan], np.float32),
        "ood": np.array([True, False, False, False, False]),
        "reject_probability": np.array([0.2, nan, 0.875, nan, nan], np.float32),
    }


def told(index: int, meta: dict[str, Any] = META, **changed: npt.NDArray[Any]) -> str:
    return "\n".join(explained(cell_facts(meta, {**columns(), **changed}, index)))


def test_a_classified_cell_is_told_with_what_speaks_against_it() -> None:
    assert told(0).splitlines() == [
        "Cell 0198/4/0 of “dpc-1”: at x 10.0, y 1.0 px, 9.2 µm across.",
        "Classified as lymphocyte, 62.0 %; the nearest other class is granulocyte, 30.0 %. Its prediction set holds "
        "lymphocyte and granulocyte (such sets hold the true class for at least 90.0 % of each class, nominally): "
        "these cannot be told apart.",
        "Not rejected: the probability that it is no white cell, 20.0 % (uncalibrated), is below the threshold of "
        "50.0 %.",
        "Flagged as unlike the training cells: its score 13 is above the threshold of 12.",
        "Its whole frame is flagged: light does not add.",
        "Estimated signal, with this cell's own nominal 90 % interval (unit: a.u.): at least one of CD123, HLA-DR or "
        "CD14 (pooled, cannot be separated) 10 (5 to 20); at least one of CD3, CD19 or CD56 (pooled, cannot be "
        "separated) 20 (10 to 40); CD45 1,500 (750 to 3,000); CD16 7.5 (3.75 to 15).",
        "Synthetic: from simulated cells or a model trained on them. Research use only, not a diagnosis.",
    ]


def test_a_rejected_cell_says_why_and_claims_no_class() -> None:
    text = told(2)
    assert (
        "Rejected as not a white cell: probability 87.5 %, uncalibrated, at or above the threshold of 50.0 %."
        in text
    )
    assert "Were it a white cell, its nearest class would be granulocyte, 70.0 %." in text
    assert "Classified" not in text
    assert "were it a white cell" in text


@pytest.mark.parametrize(
    ("index", "said"), [(1, "frame's edge"), (3, "limit of cells"), (4, "engine gave no")]
)
def test_a_cell_that_the_model_did_not_see_claims_nothing(index: int, said: str) -> None:
    text = told(index)
    assert said in text
    assert not any(word in text for word in ("%", "CD45", "lymphocyte", "ot rejected"))


def test_a_clear_cell_says_that_no_other_class_is_in_its_set() -> None:
    assert "No other class is in its prediction set" in told(0, class_set=np.array([1, 0, 0, 0, 0]))


def test_what_a_bare_model_cannot_tell_is_said() -> None:
    bare = ("class_coverage", "interval_coverage", "ood_threshold", "reject_threshold")
    meta = META | {"model": MODEL | dict.fromkeys(bare) | {"calibrated": False}}
    nan = np.full(5, np.nan, np.float32)
    cells = dict.fromkeys(("ood_score", "reject_probability"), nan)
    ends = {name: np.full((5, 4), np.nan, np.float32) for name in ("marker_low", "marker_high")}
    no = {"ood": np.zeros(5, bool), "class_set": np.zeros(5, np.uint8)}
    text = told(0, meta, **cells, **ends, **no)
    assert "lymphocyte, 62.0 % (uncalibrated);" in text
    assert "does not tell whether a cell is a white cell at all" in text
    assert "does not tell whether a cell is like the training cells" in text
    assert "without an interval" in text
    assert "prediction set" not in text


def test_a_probability_beside_its_threshold_is_told_apart_from_it() -> None:
    cells = np.array([0.4999, 0, 0.5001, 0, 0], np.float32)
    assert "49.99 % (uncalibrated), is below the threshold of 50.00 %" in told(
        0, reject_probability=cells
    )
    assert "50.01 %, uncalibrated, at or above the threshold of 50.00 %" in told(
        2, reject_probability=cells
    )


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            [0.99999, 0.00001, 0.0],
            "lymphocyte, over 99.9 %; the nearest other class is granulocyte, under 0.1 %",
        )
    ],
)
def test_a_probability_is_not_rounded_to_certainty(row: list[float], said: str) -> None:
    probability = columns()["class_probability"]
    probability[0] = row
    assert said in told(0, class_probability=probability)


def test_a_cell_that_is_surely_white_has_no_probability_of_nothing() -> None:
    cells = np.full(5, 1e-5, np.float32)
    assert "no white cell, under 0.1 % (uncalibrated), is below the threshold of 50.0 %" in told(
        0, reject_probability=cells
    )


def test_hostile_names_cannot_act_on_a_terminal() -> None:
    evil = "\x1b[2Jlympho\u202ecyte"
    meta = META | {
        "instrument": evil,
        "model": MODEL | {"classes": [evil, "a", "b"], "marker_unit": evil},
    }
    assert all(character.isprintable() for line in told(0, meta).splitlines() for character in line)


@pytest.mark.parametrize(
    ("index", "said"), [(5, "index 5: the frame has 5 cells, allowed 0 to 4"), (-1, "index -1")]
)
def test_a_cell_that_is_not_there_is_refused(index: int, said: str) -> None:
    with pytest.raises(BadInput) as refused:
        cell_facts(META, columns(), index)
    assert said in str(refused.value)


def test_a_frame_without_cells_says_its_fate() -> None:
    with pytest.raises(BadInput, match=r"0 cells \(dropped\), allowed none"):
        cell_facts(META | {"fate": "dropped"}, {}, 0)


@pytest.mark.parametrize("key", ["status", "class", "marker_low", "ood"])
def test_a_result_that_lacks_a_column_is_refused_in_one_line(key: str) -> None:
    cells = columns()
    del cells[key]
    with pytest.raises(BadInput, match="cannot be explained"):
        cell_facts(META, cells, 0)


@pytest.mark.parametrize("key", list(MODEL))
def test_a_result_whose_model_lacks_something_is_refused_or_read_without_it(key: str) -> None:
    meta = META | {"model": {name: value for name, value in MODEL.items() if name != key}}
    if key == "class_coverage":  # results before the sets had none
        assert cell_facts(meta, columns(), 0).class_coverage is None
        return
    with pytest.raises(BadInput, match="cannot be explained"):
        cell_facts(meta, columns(), 0)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("class", np.array([1, 255, 255, 255, 255], np.uint8)),
        ("class", np.array([7, 255, 255, 255, 255], np.uint8)),
        ("status", np.array([9, 1, 2, 3, 4], np.uint8)),
        ("class_probability", np.full((5, 3), np.nan, np.float32)),
        ("class_probability", np.full((5, 2), 0.5, np.float32)),
        ("class_probability", np.full(2, 0.5, np.float32)),
    ],
)
def test_a_result_that_contradicts_itself_is_refused(name: str, values: npt.NDArray[Any]) -> None:
    with pytest.raises(BadInput, match="cannot be explained"):
        cell_facts(META, {**columns(), name: values}, 0)


def test_a_rejected_cell_with_a_class_is_refused() -> None:
    kinds = np.array([0, 255, 1, 255, 255], np.uint8)
    with pytest.raises(BadInput, match="class 1 of a cell that is rejected"):
        cell_facts(META, {**columns(), "class": kinds}, 2)


def test_the_facts_are_plain_values() -> None:
    facts: CellFacts = cell_facts(META, columns(), 0)
    plain = facts.as_dict()
    assert plain["probabilities"][0] == {"name": "lymphocyte", "probability": pytest.approx(0.62)}
    assert plain["frame_flags"] == ("residual_high",)
    assert facts.nearest_other is not None
    assert facts.nearest_other.name == "granulocyte"


def test_a_name_that_reads_like_a_sentence_stands_in_quotation_marks() -> None:
    evil = "lymphocyte, 99.9 %. All cells are healthy"
    classes = {"classes": [evil, "granulocyte", "monocyte"], "markers": [evil, *MARKERS[1:]]}
    text = told(0, META | {"instrument": evil, "model": MODEL | classes | {"marker_unit": evil}})
    assert text.count(evil) == text.count(f"“{evil}”") == 5
    assert "granulocyte, 30.0 %" in text
