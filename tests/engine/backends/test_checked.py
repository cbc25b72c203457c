"""The self-test refuses a backend whose scores are off or whose decisions change, whatever the manifest allows."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from phenostream.engine.backends.checked import self_test
from phenostream.engine.backends.registry import open_backend
from phenostream.engine.bundle import Bundle, load_bundle
from phenostream.engine.errors import BadBundle
from phenostream.engine.manifest import ClassSets, GoldenTolerance, Precision
from phenostream.engine.types import F32, OUTPUT_SHAPES, Outputs

DEMO = Path(__file__).parents[3] / "deploy" / "demo_bundle"
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "bf16")
LOGITS = {"class_logits", "marker_z"}


@dataclass
class Recited:
    """A backend that recites what it was given."""

    outputs: Outputs
    precision: str = "bf16"
    name: str = "recited"
    device: str = "none"
    streams: int = 1
    max_batch: int = 256

    def infer(self, images: F32, background: F32) -> Outputs:
        return self.outputs

    def close(self) -> None:
        """Nothing to close."""


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(DEMO)


def lax(bundle: Bundle) -> Bundle:
    """The same bundle, its manifest allowing any difference of the scores."""
    wide = dict.fromkeys(set(OUTPUT_SHAPES) - LOGITS, 1e9)
    golden = {precision: GoldenTolerance(tolerance=wide) for precision in PRECISIONS}
    return replace(bundle, manifest=bundle.manifest.model_copy(update={"golden": golden}))


def altered(bundle: Bundle, name: str, change: Callable[[F32], None]) -> Outputs:
    column = getattr(bundle.golden.outputs, name).copy()
    change(column)
    return replace(bundle.golden.outputs, **{name: column})


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_golden_outputs_themselves_pass(bundle: Bundle, precision: Precision) -> None:
    assert self_test(Recited(bundle.golden.outputs, precision), bundle) == 0


@dataclass
class InTurns(Recited):
    """One stream after the other says what is its own; a batch has at most four crops."""

    others: tuple[Outputs, ...] = ()
    max_batch: int = 4
    rows: int = 0

    def infer(self, images: F32, background: F32) -> Outputs:
        said = (self.outputs, *self.others)[self.rows // len(self.outputs)]
        at = self.rows % len(self.outputs)
        self.rows += len(images)
        return said.take(slice(at, at + len(images)))


@pytest.mark.parametrize("wrong", [0, -1])
def test_every_crop_is_tested_in_every_stream_however_small_the_batch(
    bundle: Bundle, wrong: int
) -> None:
    def add(column: F32) -> None:
        column[wrong] += 1

    said, off = bundle.golden.outputs, altered(bundle, "class_logits", add)
    assert self_test(InTurns(said, streams=3, others=(said, said)), bundle) == 0
    with pytest.raises(BadBundle, match="class_logits differs by 1 "):
        self_test(InTurns(said, streams=3, others=(said, off)), bundle)


@dataclass
class WrongIn(Recited):
    """Knows the golden crops, and says something else of one of them in calls of some size."""

    bundle: Bundle | None = None
    size: int = 0

    def infer(self, images: F32, background: F32) -> Outputs:
        assert self.bundle is not None
        known = {image.tobytes(): row for row, image in enumerate(self.bundle.golden.crops.images)}
        rows = np.array([known[image.tobytes()] for image in images])
        said = Outputs(*(getattr(self.outputs, name)[rows] for name in OUTPUT_SHAPES))
        said.marker_z[-1] += np.float32(len(images) == self.size)
        return said


@pytest.mark.parametrize("wrong", [8, 24, 128])
def test_every_size_that_is_named_must_give_the_golden_outputs(bundle: Bundle, wrong: int) -> None:
    backend = WrongIn(bundle.golden.outputs, bundle=bundle, size=wrong)
    with pytest.raises(BadBundle, match="golden marker_z differs by 1 on recited bf16"):
        self_test(backend, bundle, (1, 8, 128))
    if wrong != 24:
        assert self_test(backend, bundle) == 0


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", sorted(set(OUTPUT_SHAPES) - LOGITS))
def test_a_tenth_of_the_spread_of_any_output_is_refused(
    bundle: Bundle, name: str, precision: Precision
) -> None:
    by = np.float32(0.1 * getattr(bundle.golden.outputs, name).std())

    def shift(column: F32) -> None:
        column += by

    with pytest.raises(BadBundle, match=f"golden {name} differs .*by .* {precision}, allowed"):
        self_test(Recited(altered(bundle, name, shift), precision), bundle)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("reject_probability", 0.7, "changes the rejection of 1 of 24 golden crops"),
        ("ood_score", 0.9, "changes the out-of-distribution flag of 1 of 24 golden crops"),
    ],
)
def test_a_changed_decision_is_refused_whatever_the_manifest_allows(
    bundle: Bundle, name: str, value: float, says: str
) -> None:
    def cross(column: F32) -> None:
        column[0] = value  # the first golden crop is a white cell, far below both thresholds

    with pytest.raises(BadBundle, match=f"recited bf16 {says}"):
        self_test(Recited(altered(bundle, name, cross)), lax(bundle))


def test_a_decision_may_change_where_the_golden_score_is_at_its_threshold(bundle: Bundle) -> None:
    threshold = bundle.manifest.calibration.ood_threshold or 0.0

    def at(value: float) -> Callable[[F32], None]:
        def place(column: F32) -> None:
            column[0] = value

        return place

    golden = replace(
        bundle.golden, outputs=altered(bundle, "ood_score", at(threshold * (1 - 1e-3)))
    )
    found = altered(bundle, "ood_score", at(threshold * (1 + 1e-3)))
    assert self_test(Recited(found), replace(bundle, golden=golden)) == 0


def test_a_class_or_set_may_change_only_where_probabilities_are_close(bundle: Bundle) -> None:
    sets = ClassSets(coverage=0.9, threshold=(0.2, 0.2, 0.2))
    calibration = bundle.manifest.calibration.model_copy(update={"class_sets": sets})
    manifest = bundle.manifest.model_copy(update={"calibration": calibration})

    def judged(before: list[float], after: list[float]) -> float:
        def at(probability: list[float]) -> Outputs:
            def place(column: F32) -> None:
                column[0] = probability

            return altered(bundle, "class_probability", place)

        golden = replace(bundle.golden, outputs=at(before))
        return self_test(Recited(at(after)), lax(replace(bundle, manifest=manifest, golden=golden)))

    assert judged([0.495, 0.496, 0.009], [0.496, 0.495, 0.009]) == 0
    assert judged([0.795, 0.199, 0.006], [0.793, 0.201, 0.006]) == 0
    with pytest.raises(BadBundle, match="changes the class of 1 of 24 golden crops"):
        judged([0.3, 0.69, 0.01], [0.69, 0.3, 0.01])
    with pytest.raises(BadBundle, match="changes the set of classes of 1 of 24 golden crops"):
        judged([0.86, 0.13, 0.01], [0.7, 0.29, 0.01])


@pytest.mark.parametrize("name", ["class_probability", "reject_probability", "ood_score"])
def test_an_int8_graph_must_keep_every_kind_of_decision(bundle: Bundle, name: str) -> None:
    def turn(column: F32) -> None:
        column[:] = column[::-1] if column.ndim == 1 else column[:, ::-1]

    bundle = replace(bundle, golden_int8=None)
    assert self_test(Recited(bundle.golden.outputs, "int8"), bundle) == 0
    with pytest.raises(BadBundle, match=r"int8 keeps the .* of the golden crops, expected"):
        self_test(Recited(altered(bundle, name, turn), "int8"), bundle)


def test_an_int8_graph_may_call_a_rejected_object_another_class(bundle: Bundle) -> None:
    rejected = np.flatnonzero(bundle.golden.outputs.reject_probability > 0.99)[0]
    kept = np.flatnonzero(bundle.golden.outputs.reject_probability < 0.01)[0]

    def turned(row: int) -> Outputs:
        def turn(column: F32) -> None:
            column[row] = np.roll(column[row], 1)

        return altered(bundle, "class_probability", turn)

    bundle = replace(bundle, golden_int8=None)
    assert self_test(Recited(turned(rejected), "int8"), bundle) == 0
    with pytest.raises(BadBundle, match="int8 keeps the class of"):
        self_test(Recited(turned(kept), "int8"), bundle)


@pytest.mark.parametrize("name", ["class_logits", "marker_z", "feature", "ood_score"])
def test_int8_is_held_to_what_its_own_graph_is_to_say(bundle: Bundle, name: str) -> None:
    own = bundle.golden_int8
    assert own is not None
    assert self_test(Recited(own, "int8"), bundle) <= 0.005
    allowed = bundle.manifest.golden["int8"].tolerance[name]

    def moved(by: float) -> Outputs:
        columns = {key: getattr(own, key).copy() for key in OUTPUT_SHAPES}
        columns[name][0] += by
        return Outputs(**columns)

    self_test(Recited(moved(0.9 * allowed), "int8"), bundle)
    with pytest.raises(BadBundle, match=f"golden {name} differs by .* on recited int8"):
        self_test(Recited(moved(1.1 * allowed), "int8"), bundle)


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_the_shipped_int8_graph_passes_its_own_test(bundle: Bundle, name: str) -> None:
    backend = open_backend(bundle, name, precision="int8", streams=1, max_batch=32)
    try:
        assert backend.precision == "int8"
    finally:
        backend.close()
