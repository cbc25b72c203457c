"""What a manifest tells a person first."""

from pathlib import Path

from phenostream.engine.bundle import load_bundle
from phenostream.engine.manifest import Metric

DEMO = Path(__file__).parents[2] / "deploy" / "demo_bundle"


def test_the_headline_of_the_demo_bundle_is_short_and_has_every_data_set() -> None:
    manifest = load_bundle(DEMO).manifest
    said = manifest.headline()
    names = [
        "class accuracy, rejected counted wrong",
        "ECE",
        "reject AUROC",
        *(f"interval coverage {marker}" for marker in manifest.markers),
    ]
    presets = ("easy", "hard")
    assert [(metric.name, metric.data) for metric in said] == [
        (name, f"synthetic cells, preset {preset}, held out")
        for preset in presets
        for name in names
    ]
    assert set(said) < set(manifest.metrics)


def test_a_figure_that_was_not_measured_is_not_in_the_headline() -> None:
    manifest = load_bundle(DEMO).manifest
    one = Metric(name="ECE", value=0.1, low=0.0, high=0.2, n=5, data="blood")
    other = one.model_copy(update={"name": "r CD16"})
    assert manifest.model_copy(update={"metrics": (other, one)}).headline() == (one,)
    assert manifest.model_copy(update={"metrics": ()}).headline() == ()
