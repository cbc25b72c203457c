"""Cells that a model is not fitted to are refused in one line that names what, where, the value and what is allowed."""

from dataclasses import replace

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

from phenostream.engine.adaptation_facts import Adapted, LayerMove  # noqa: E402
from phenostream.engine.errors import BadInput  # noqa: E402
from phenostream.trainer.adaptation.norms import LayerShift  # noqa: E402
from phenostream.trainer.adaptation.refusals import (  # noqa: E402
    refuse_few,
    refuse_odd_answers,
    refuse_odd_fit,
)
from phenostream.trainer.adaptation.settings import AdaptationSettings  # noqa: E402
from phenostream.trainer.adaptation.site_fit import SiteFit  # noqa: E402

LAYERS = (LayerShift("cnn.stem.1", 0.2, 0.1),)
GOOD = SiteFit((0.3, 0.6, 0.1), (120.0, 240.0, 40.0), 400.0, LAYERS, 8, True)
SETTINGS = AdaptationSettings()


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        (
            replace(GOOD, white_cells=112.4),
            "a.phenorec: 112 white cells, as the model counts them, allowed 200 or more",
        ),
        (replace(GOOD, settled=False), "a.phenorec: the fit to these cells does not settle"),
        (
            replace(GOOD, class_cells=(1.6, 360.0, 38.4)),
            "a.phenorec: 0.4% of the white cells look like a lymphocyte, allowed 1.0% or more",
        ),
        (
            replace(GOOD, layers=(LayerShift("cnn.stem.1", 1.7, 0.1),)),
            "a.phenorec: cnn.stem.1: its means moved by 1.70 on average, allowed 1:",
        ),
        (
            replace(GOOD, layers=(LayerShift("cnn.stem.1", float("nan"), 0.1),)),
            "a.phenorec: cnn.stem.1: its means moved by nan",
        ),
        (
            replace(GOOD, layers=(LayerShift("cnn.stem.1", 0.1, 2.5),)),
            "a.phenorec: cnn.stem.1: its logarithms of sd moved by 2.50",
        ),
    ],
)
def test_an_odd_fit_is_refused(odd: SiteFit, said: str) -> None:
    with pytest.raises(BadInput) as found:
        refuse_odd_fit(odd, "a.phenorec", SETTINGS)
    assert str(found.value).startswith(said)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("rejected", "flagged", "said"),
    [
        (0.97, 0.0, "a.phenorec: 97.0% of the cells are rejected even after the fit, allowed 95.0%"),
        (0.4, 0.6, "a.phenorec: 60.0% of the cells kept are unlike the training's even after"),
    ],
)  # fmt: skip
def test_odd_answers_are_refused(rejected: float, flagged: float, said: str) -> None:
    with pytest.raises(BadInput) as found:
        refuse_odd_answers(_told(rejected, flagged), SETTINGS)
    assert str(found.value).startswith(said)


def test_few_cells_are_refused() -> None:
    with pytest.raises(BadInput, match=r"a\.phenorec: 199 cells inside the frames, allowed 200"):
        refuse_few(199, "a.phenorec", SETTINGS)


def test_good_cells_are_taken() -> None:
    refuse_few(200, "a.phenorec", SETTINGS)
    refuse_odd_fit(GOOD, "a.phenorec", SETTINGS)
    refuse_odd_answers(_told(0.4, 0.1), SETTINGS)


def _told(rejected: float, flagged: float) -> Adapted:
    return Adapted(
        source="a.phenorec",
        source_sha256="0" * 64,
        synthetic=True,
        frames=3,
        cells=500,
        white_cells=300.0,
        rejected=rejected,
        flagged=flagged,
        shares=(0.3, 0.6, 0.1),
        priors="kept",
        prior_cells=100,
        layers=(LayerMove(layer="cnn.stem.1", mean=0.1, log_sd=0.1),),
        from_name="demo 1",
        from_sha256="1" * 64,
    )
