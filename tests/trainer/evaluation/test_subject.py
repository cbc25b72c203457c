from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

from phenostream.engine.backends.golden_difference import golden_difference  # noqa: E402
from phenostream.engine.bundle import load_bundle  # noqa: E402
from phenostream.engine.errors import BadInput, EngineFault  # noqa: E402
from phenostream.engine.postprocess import REJECTED, FieldOfView, frame_columns  # noqa: E402
from phenostream.engine.types import OUTPUT_SHAPES, Detections  # noqa: E402
from phenostream.trainer.checkpoint import Card, Checkpoint, save_checkpoint  # noqa: E402
from phenostream.trainer.data.cell_set import CellSet  # noqa: E402
from phenostream.trainer.evaluation.served import serve  # noqa: E402
from phenostream.trainer.evaluation.subject import open_subject  # noqa: E402
from phenostream.trainer.network.graph import BundleGraph  # noqa: E402
from tests.trainer.evaluation import scripted  # noqa: E402

DEMO = Path(str(files("phenostream.deploy") / "demo_bundle"))


@pytest.fixture(scope="module")
def golden() -> CellSet:
    """The demo bundle's own crops, all of them of unknown class."""
    crops = load_bundle(DEMO).golden.crops
    count = len(crops)
    return CellSet.with_labels(
        crops.images,
        crops.background,
        np.full(count, -1, np.int32),
        np.zeros((count, 4), np.float32),
        np.zeros((count, 4), np.bool_),
        np.zeros(count, np.int32),
    )


def test_a_bundle_says_its_golden_outputs(golden: CellSet) -> None:
    bundle = load_bundle(DEMO)
    tolerance = bundle.manifest.golden["fp32"].tolerance
    with open_subject(DEMO, "onnxruntime") as subject:
        said = subject.outputs(golden)
        nothing = subject.outputs(golden.select(np.zeros(len(golden), bool)))
        assert subject.synthetic
        assert subject.name == f"{bundle.manifest.name} {bundle.manifest.version}"
        assert (subject.facts.source, subject.facts.runtime) == ("bundle", "onnxruntime fp32")
        assert subject.graph is None
    for name, shape in OUTPUT_SHAPES.items():
        assert getattr(nothing, name).shape == (0, *shape)
    found, expected = (
        {name: getattr(outputs, name) for name in OUTPUT_SHAPES}
        for outputs in (said, bundle.golden.outputs)
    )
    transform = bundle.manifest.marker_transform
    threshold = bundle.manifest.calibration.reject_threshold
    assert {"class_logits", "marker_interval_z", "feature"} <= set(tolerance)
    for name, allowed in tolerance.items():
        assert golden_difference(name, found, expected, transform, threshold) <= 2 * allowed, name


def test_a_checkpoint_says_what_its_graph_says(tmp_path: Path, golden: CellSet) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    graph = BundleGraph().eval()
    card = Card(
        name="tiny",
        version="1",
        synthetic=False,
        description="",
        marker_unit="a.u.",
        marker_transform=scripted.TRANSFORM,
        calibration=scripted.CALIBRATION,
        data_sha256="0" * 64,
        settings={"seed": 7},
    )
    crops = load_bundle(DEMO).golden.crops
    save_checkpoint(Checkpoint(graph, card, crops), tmp_path)
    with open_subject(tmp_path) as subject:
        said = subject.outputs(golden)
        assert (subject.facts.source, subject.facts.runtime) == ("checkpoint", "torch fp32")
        assert subject.settings == {"seed": 7}
        assert not subject.synthetic
    with torch.inference_mode():
        expected = graph(torch.from_numpy(golden.images), torch.from_numpy(golden.background))
    for name, column in zip(OUTPUT_SHAPES, expected, strict=True):
        np.testing.assert_allclose(getattr(said, name), column.numpy(), atol=1e-4)


def test_numbers_that_are_not_finite_are_no_figures_but_a_fault() -> None:
    cells = scripted.cells(40, 1)
    said = scripted.outputs_for(cells, 2)
    said.marker_estimate[7, 2] = np.nan
    with pytest.raises(EngineFault, match="outputs of 1 of 40 cells are not finite, first of cell"):
        scripted.subject(said).outputs(cells)


def test_a_folder_of_something_else_is_refused_in_one_line(tmp_path: Path) -> None:
    with (
        pytest.raises(BadInput, match=r"neither card\.json .* nor manifest\.json") as caught,
        open_subject(tmp_path),
    ):
        pass
    assert "\n" not in str(caught.value)


def test_what_is_judged_is_what_a_daemon_decides(golden: CellSet) -> None:
    manifest = load_bundle(DEMO).manifest
    with open_subject(DEMO, "onnxruntime") as subject:
        said = subject.outputs(golden)
    served = serve(said, manifest.calibration)
    count = len(golden)
    zeros = np.zeros(count, np.float32)
    found = Detections(zeros, zeros, zeros, zeros, np.zeros(count, np.bool_))
    columns = frame_columns(
        found, np.ones(count, np.bool_), said, FieldOfView(1, 0.686, (64, 64)), manifest
    )
    rejected = columns["status"].array == REJECTED
    assert rejected.any()
    assert not rejected.all()
    np.testing.assert_array_equal(served.rejected, rejected)
    np.testing.assert_array_equal(served.flagged, columns["ood"].array)
    np.testing.assert_array_equal(served.called[~rejected], columns["class"].array[~rejected])
