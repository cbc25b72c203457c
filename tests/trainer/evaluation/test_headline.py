import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

import numpy as np  # noqa: E402

from phenostream.trainer.evaluation.evaluate import evaluate_model  # noqa: E402
from phenostream.trainer.evaluation.figures.bootstrap import BootstrapSettings  # noqa: E402
from phenostream.trainer.evaluation.headline import headline  # noqa: E402
from phenostream.trainer.evaluation.schema.document import Evaluation  # noqa: E402
from phenostream.trainer.evaluation.schema.performance import MarkerFigures, WithinClass  # noqa: E402
from tests.trainer.evaluation import scripted  # noqa: E402


@pytest.fixture(scope="module")
def found() -> Evaluation:
    test = scripted.cells(500, 11)
    said = scripted.outputs_for(test, 12)
    data = scripted.data(scripted.cells(300, 10), test)
    return evaluate_model(scripted.subject(said), data, BootstrapSettings(resamples=100))


def lines(found: Evaluation, *markers: MarkerFigures, synthetic: bool = True) -> tuple[str, ...]:
    made = headline(
        found.classification, found.calibration, markers, found.outliers, synthetic=synthetic
    )
    assert made.refusal is None
    return made.lines


def without_skill(marker: MarkerFigures) -> MarkerFigures:
    within = tuple(
        WithinClass(**(one.model_dump() | {"beyond_class": False})) for one in marker.log.within
    )
    return marker.model_copy(update={"log": marker.log.model_copy(update={"within": within})})


def test_information_beyond_class_is_claimed_only_where_a_class_shows_it(found: Evaluation) -> None:
    cd16 = found.markers[3]
    known = [one.name for one in cd16.log.within if one.beyond_class]
    claimed = lines(found, cd16)[3]
    assert known
    assert all(f"within {name} r " in claimed for name in known)
    assert f"({len(known)} of 3 classes)" in claimed
    silent = lines(found, without_skill(cd16))[3]
    assert "no marker information beyond class was shown in the 3 classes" in silent


def test_the_class_alone_stands_in_the_same_sentence_as_every_r(found: Evaluation) -> None:
    for marker in found.markers:
        (line,) = (one for one in lines(found, marker) if one.startswith(f"{marker.name}: r"))
        assert marker.log.class_mean_r is not None
        assert f"the true class alone gives {marker.log.class_mean_r.text()}" in line


def test_only_simulated_results_say_that_they_are(found: Evaluation) -> None:
    assert lines(found)[0].startswith("SYNTHETIC")
    assert not any("SYNTHETIC" in one for one in lines(found, synthetic=False))


def test_a_class_of_29_cells_refuses_the_headline() -> None:
    every = scripted.cells(500, 11)
    for count, refused in ((29, True), (30, False)):
        monocytes = np.flatnonzero(every.kind == 2)[:count]
        test = every.select(np.sort(np.concatenate([np.flatnonzero(every.kind != 2), monocytes])))
        said = scripted.outputs_for(every, 12)
        data = scripted.data(scripted.cells(300, 10), test)
        made = evaluate_model(
            scripted.subject(said), data, BootstrapSettings(resamples=100)
        ).headline
        assert (made.refusal is not None) == refused
        assert (not made.lines) == refused
        if refused:
            assert made.refusal == "test classes with fewer than 30 cells: monocyte 29: no headline"
