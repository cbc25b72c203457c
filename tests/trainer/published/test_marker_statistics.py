"""Marker statistics are a closed file: all four pools, finite numbers, one line for anything else."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

from phenostream.engine.errors import BadInput  # noqa: E402
from phenostream.engine.types import MARKERS  # noqa: E402
from phenostream.trainer.published.imported import published_preprocess  # noqa: E402
from phenostream.trainer.published.marker_statistics import load_statistics  # noqa: E402

GOOD: dict[str, Any] = {
    "unit": "a.u.",
    "scale": "linear",
    "markers": {name: {"mean": 10.0 + i, "sd": 2.0 + i} for i, name in enumerate(MARKERS)},
}


def written(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "stats.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_pools_may_come_in_any_order(tmp_path: Path) -> None:
    turned = GOOD | {"markers": dict(reversed(GOOD["markers"].items()))}
    found = load_statistics(written(tmp_path, turned))
    transform = found.transform()
    assert (found.unit, transform.scale) == ("a.u.", "linear")
    assert transform.mean == (10, 11, 12, 13)
    assert transform.sd == (2, 3, 4, 5)


def markers(**changes: Any) -> dict[str, Any]:
    return GOOD | {"markers": GOOD["markers"] | changes}


def without(name: str) -> dict[str, Any]:
    return GOOD | {"markers": {k: v for k, v in GOOD["markers"].items() if k != name}}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "not valid JSON"),
        ("[" * 5000, "not valid JSON"),
        ("[]", "file: Input should be"),
        ('{"unit": "a", "unit": "b"}', "a key is given twice"),
        (GOOD | {"more": 1}, "more: Extra inputs are not permitted"),
        ({"unit": "a.u.", "scale": "linear"}, "markers: Field required"),
        (GOOD | {"scale": "ln"}, "scale: Input should be 'log10' or 'linear', found 'ln'"),
        (GOOD | {"unit": ""}, "unit: "),
        (GOOD | {"unit": "a\nb"}, "unit: "),
        (without("CD45"), "markers: 'CD45' is missing, allowed CD123/HLA-DR/CD14, "),
        (markers(CD14={"mean": 1, "sd": 1}), "markers: 'CD14' is unknown, allowed "),
        (markers(CD45={"mean": 1}), "markers.CD45.sd: Field required"),
        (markers(CD45={"mean": 1, "sd": 0}), "markers.CD45.sd: Input should be greater than"),
        (markers(CD45={"mean": 1, "sd": -1}), "markers.CD45.sd: Input should be greater than"),
        (markers(CD45={"mean": float("nan"), "sd": 1}), "markers.CD45.mean: "),
        (markers(CD45={"mean": float("inf"), "sd": 1}), "markers.CD45.mean: "),
        (
            markers(CD45={"mean": 800, "sd": 1}) | {"scale": "log10"},
            "markers.CD123/HLA-DR/CD14: 10 to the power of 42 is beyond float32; are they log10?",
        ),
        ("x" * 70_000, "more than 65536 bytes"),
    ],
)
def test_anything_else_is_one_line(tmp_path: Path, content: Any, says: str) -> None:
    with pytest.raises(BadInput) as raised:
        load_statistics(written(tmp_path, content))
    said = str(raised.value)
    assert said.startswith("stats.json: ")
    assert says in said
    assert "\n" not in said


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"stats\.json: cannot be read \(No such file"):
        load_statistics(tmp_path / "stats.json")


def test_the_example_of_the_page_is_a_good_one(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "import-checkpoint.md").read_text()
    example = page.partition("```json\n")[2].partition("```")[0]
    assert load_statistics(written(tmp_path, example)).scale == "linear"


def test_the_page_and_the_code_agree_on_the_preprocessing() -> None:
    page = (Path(__file__).parents[3] / "docs" / "import-checkpoint.md").read_text()
    preprocess = published_preprocess()
    assert f"x = {preprocess.scale:.5f} f - {-preprocess.offset:.5f}" in page
