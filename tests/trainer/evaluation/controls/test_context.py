from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

from phenostream.engine.manifest import Calibration, MarkerTransform  # noqa: E402
from phenostream.trainer.checkpoint import Card  # noqa: E402
from phenostream.trainer.data.cell_set import UNLABELLED, CellSet  # noqa: E402
from phenostream.trainer.evaluation.controls.brief_fit import Budget  # noqa: E402
from phenostream.trainer.evaluation.controls.context import (  # noqa: E402
    ContextSettings,
    add_context,
    steps,
)
from phenostream.trainer.evaluation.data import EvaluationData  # noqa: E402
from phenostream.trainer.evaluation.evaluate import evaluate_model  # noqa: E402
from phenostream.trainer.evaluation.figures.bootstrap import BootstrapSettings  # noqa: E402
from phenostream.trainer.evaluation.schema.document import DataFacts, Evaluation  # noqa: E402
from phenostream.trainer.evaluation.subject import Subject, graph_subject  # noqa: E402
from phenostream.trainer.network.graph import BundleGraph  # noqa: E402

BOOTSTRAP = BootstrapSettings(resamples=100)
BRIEF = ContextSettings(bootstrap=BOOTSTRAP, budget=Budget(cells=60, epochs=1, batch=16), shapes=())


@pytest.fixture(scope="module")
def subject() -> Subject:
    """Random weights."""
    torch.set_num_threads(1)
    torch.manual_seed(4)
    card = Card(
        name="random",
        version="1",
        synthetic=True,
        description="random weights",
        marker_unit="a.u.",
        marker_transform=MarkerTransform(scale="log10", mean=(0, 0, 0, 0), sd=(1, 1, 1, 1)),
        calibration=Calibration(
            status="uncalibrated",
            interval_half_width_z=None,
            ood_threshold=None,
            reject_threshold=None,
        ),
        data_sha256="0" * 64,
    )
    return graph_subject(BundleGraph(), card, "0" * 64)


def data_of(cells: CellSet) -> EvaluationData:
    """Every other field to learn from; few, since random weights learn nothing anyway."""
    cells = cells.select(np.arange(len(cells)) < 72)
    even = cells.group % 2 == 0
    facts = DataFacts(name="balls", synthetic=True, protocol="simulated")
    return EvaluationData(cells.select(even), cells.select(~even), {}, facts)


@pytest.mark.timeout(180)  # it trains two networks, however briefly
def test_an_evaluation_gets_every_section_and_stays_one_closed_document(
    subject: Subject, cells_by_size: CellSet
) -> None:
    data = data_of(cells_by_size)
    bare = evaluate_model(subject, data, BOOTSTRAP)
    done: list[str] = []
    whole = add_context(bare, subject, data, BRIEF, done.append)
    assert done == ["full", "controls", "baselines", "gallery"]
    assert len(done) == steps(BRIEF)
    assert [baseline.name for baseline in whole.baselines] == [
        "majority",
        "size only",
        "logistic on pixels",
        "MLP on pixels",
    ]
    assert [control.name for control in whole.controls] == [
        "shuffled targets",
        "position only",
        "brightness only",
        "channels permuted",
        "flips unswapped",
    ]
    assert whole.gallery is not None
    assert whole.gallery.cells
    assert whole.ablations == ()
    assert whole.classification == bare.classification
    assert Evaluation.model_validate_json(whole.model_dump_json()) == whole


def test_cells_without_any_label_make_it_fail_at_nothing(
    subject: Subject, cells_by_size: CellSet
) -> None:
    unlabelled = replace(
        cells_by_size,
        kind=np.full_like(cells_by_size.kind, UNLABELLED),
        marker_mask=np.zeros_like(cells_by_size.marker_mask),
    )
    bare = evaluate_model(subject, data_of(cells_by_size), BOOTSTRAP)
    whole = add_context(bare, subject, data_of(unlabelled), BRIEF)
    assert [control.as_expected for control in whole.controls] == [None] * 5
    assert all(baseline.accuracy is None for baseline in whole.baselines)
    assert whole.gallery is not None
    assert whole.gallery.cells == ()
    none = data_of(unlabelled.select(np.zeros(0, np.intp)))
    assert add_context(bare, subject, none, BRIEF) == bare


def test_cells_of_one_class_give_what_they_can(subject: Subject, cells_by_size: CellSet) -> None:
    data = data_of(cells_by_size.select(np.flatnonzero(cells_by_size.kind == 0)))
    whole = add_context(evaluate_model(subject, data, BOOTSTRAP), subject, data, BRIEF)
    assert whole.controls[0].verdict.startswith("Not run")
    assert whole.baselines[0].accuracy is not None
    assert whole.baselines[2].accuracy is None
    assert whole.baselines[2].marker_r
