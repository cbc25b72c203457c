"""A model that was trained elsewhere, judged on one protocol of BSCCM: `phenostream evaluate --dataset bsccm`."""

from pathlib import Path

import pytest

pytest.importorskip("torch")

from phenostream.deploy.bundles import demo_bundle
from phenostream.trainer.reproduce.assessment import AssessmentSettings, assess

pytestmark = [pytest.mark.trainer, pytest.mark.timeout(400)]


def test_a_model_of_other_cells_is_said_to_be_so(blob_mirror: Path, tmp_path: Path) -> None:
    told: list[str] = []
    settings = AssessmentSettings(
        model=demo_bundle(),
        dataset="bsccm",
        root=blob_mirror,
        protocol="clean",
        resamples=100,
        comparisons=False,
        out=tmp_path,
        command="phenostream evaluate",
    )
    found = assess(settings, told.append)
    facts = found.evaluation.data.facts
    assert facts.protocol == "clean"
    assert any("not trained on the training part" in note for note in facts.notes)
    assert found.evaluation.provenance.command == "phenostream evaluate"
    assert "Too few cells" in found.files["html"].read_text("utf-8")
    assert len(told) == settings.steps == 3
