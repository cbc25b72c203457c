"""The whole way on cells of which everything is known: fitted on some, judged on what the graph says of others."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

from phenostream.engine.class_sets import class_members  # noqa: E402
from phenostream.engine.errors import BadInput  # noqa: E402
from phenostream.engine.manifest import Calibration  # noqa: E402
from phenostream.engine.types import Bool  # noqa: E402
from phenostream.trainer.calibration.calibrate import (  # noqa: E402
    Thresholds,
    fill,
    fit_calibration,
    recalibrate,
)
from phenostream.trainer.calibration.evidence import (  # noqa: E402
    Evidence,
    load_evidence,
    save_evidence,
)
from phenostream.trainer.calibration.settings import CalibrationSettings  # noqa: E402
from phenostream.trainer.evaluation.figures.scores import expected_calibration_error  # noqa: E402
from phenostream.trainer.network.graph import BundleGraph  # noqa: E402
from tests.trainer.calibration.toy import F64, SHARES, Recited, Toy, toy  # noqa: E402

THRESHOLDS = Thresholds(1.5, 0.6)
ELSEWHERE = (0.15, 0.25, 0.6)


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return toy(5_000, 0).evidence()


@pytest.fixture(scope="module")
def calibration(evidence: Evidence) -> Calibration:
    return fit_calibration(evidence, THRESHOLDS, CalibrationSettings())


def said(cells: Toy, calibration: Calibration) -> tuple[F64, Bool]:
    """Probabilities (N, 3) and whether the interval holds the target (N, 4), from the graph itself."""
    graph = BundleGraph(marker_scale="linear").eval()
    graph.phenotyper = Recited(cells)
    fill(graph, calibration)
    with torch.inference_mode():
        outputs = graph.from_normalised(torch.zeros(len(cells.kind), 4, 28, 28))
    probability, interval = outputs[2].numpy(), outputs[4].numpy()
    inside = (interval[..., 0] <= cells.target_z) & (cells.target_z <= interval[..., 1])
    return probability, inside


def test_what_the_graph_says_of_new_cells_is_calibrated(calibration: Calibration) -> None:
    cells = toy(20_000, 1)
    probability, inside = said(cells, calibration)
    assert np.abs(probability - cells.posterior(SHARES)).max() < 0.03
    assert expected_calibration_error(probability, cells.kind) < 0.01
    assert inside.mean() == pytest.approx(0.9, abs=0.01)
    assert all(inside[cells.kind == label].mean() > 0.84 for label in range(3))
    sets = calibration.class_sets
    assert sets is not None
    members = class_members(probability, sets.threshold)
    assert all(members[cells.kind == label, label].mean() > 0.88 for label in range(3))
    assert members.sum(axis=1).mean() < 1.6


def test_in_a_stated_population_the_graph_is_calibrated_and_elsewhere_it_is_not(
    evidence: Evidence, calibration: Calibration
) -> None:
    stated = fit_calibration(evidence, THRESHOLDS, CalibrationSettings(prior=ELSEWHERE))
    assert stated.prior is not None
    assert stated.prior.stated
    assert stated.prior.shares == pytest.approx(ELSEWHERE)
    cells = toy(20_000, 1, ELSEWHERE)
    probability, inside = said(cells, stated)
    assert expected_calibration_error(probability, cells.kind) < 0.015
    assert inside.mean() == pytest.approx(0.9, abs=0.015)
    probability, inside = said(cells, calibration)
    assert expected_calibration_error(probability, cells.kind) > 0.03
    assert inside.mean() < 0.88


def harder(cells: Toy) -> Toy:
    """Cells whose levels are twice as far from the estimate, and of which one in six has another class' name."""
    target_z = cells.marker_z + 2 * (cells.target_z - cells.marker_z)
    kind = np.where(np.arange(len(cells.kind)) % 6 == 0, (cells.kind + 1) % 3, cells.kind)
    return replace(cells, target_z=target_z, kind=kind.astype(np.int32))


def test_an_easy_population_does_not_make_up_for_a_hard_one() -> None:
    easy, hard = toy(4_000, 0).evidence(), harder(toy(4_000, 2)).evidence()
    both = {
        field.name: np.concatenate([getattr(one, field.name) for one in (easy, hard)])
        for field in fields(Evidence)
    }
    pooled = fit_calibration(Evidence(**both), THRESHOLDS, CalibrationSettings())
    both["stratum"] = np.repeat(np.array([0, 1], np.int32), 4_000)
    each = fit_calibration(Evidence(**both), THRESHOLDS, CalibrationSettings())
    new = harder(toy(20_000, 3))
    for calibration, kept in ((pooled, False), (each, True)):
        probability, inside = said(new, calibration)
        assert (inside.mean() > 0.89) == kept
        assert calibration.class_sets is not None
        members = class_members(probability, calibration.class_sets.threshold)
        least = min(members[new.kind == label, label].mean() for label in range(3))
        assert (least > 0.88) == kept
    assert said(toy(20_000, 4), each)[1].mean() > 0.95


def test_a_stated_population_is_the_same_for_every_stratum() -> None:
    """Two strata of other shares, each calibrated for the stated ones as if it were alone."""
    parts = [toy(4_000, 0, (0.6, 0.3, 0.1)).evidence(), toy(4_000, 2, (0.2, 0.3, 0.5)).evidence()]
    both = {
        f.name: np.concatenate([getattr(one, f.name) for one in parts]) for f in fields(Evidence)
    }
    both["stratum"] = np.repeat(np.array([0, 1], np.int32), 4_000)
    each = fit_calibration(Evidence(**both), THRESHOLDS, CalibrationSettings(prior=ELSEWHERE))
    for seed in (5, 6):
        _, inside = said(toy(20_000, seed, ELSEWHERE), each)
        assert inside.mean() == pytest.approx(0.905, abs=0.015)


def test_a_file_of_a_version_without_strata_has_one(tmp_path: Path, evidence: Evidence) -> None:
    old = {f.name: getattr(evidence, f.name) for f in fields(Evidence) if f.name != "stratum"}
    np.savez(tmp_path / "evidence.npz", **old)
    kept = load_evidence(tmp_path / "evidence.npz")
    assert len(kept.strata()) == 1
    np.testing.assert_array_equal(kept.kind, evidence.kind)


def test_without_a_stated_population_the_prior_is_what_the_cells_are(
    calibration: Calibration, evidence: Evidence
) -> None:
    assert calibration.prior is not None
    assert not calibration.prior.stated
    counts = np.bincount(evidence.kind)
    np.testing.assert_allclose(calibration.prior.shares, counts / counts.sum())
    assert (calibration.ood_threshold, calibration.reject_threshold) == (1.5, 0.6)


def test_the_half_width_told_is_the_median_over_the_calibration_cells(
    calibration: Calibration,
) -> None:
    cells = toy(5_000, 0)
    graph = BundleGraph(marker_scale="linear").eval()
    graph.phenotyper = Recited(cells)
    fill(graph, calibration)
    with torch.inference_mode():
        interval = graph.from_normalised(torch.zeros(5_000, 4, 28, 28))[4].numpy()
    width = np.median(interval[..., 1] - interval[..., 0], axis=0) / 2
    told = np.array(calibration.interval_half_width_z)
    np.testing.assert_allclose(width, told, rtol=1e-4)


def test_another_prior_later_is_as_good_as_the_same_prior_at_once(
    evidence: Evidence, calibration: Calibration, tmp_path: Path
) -> None:
    save_evidence(evidence, tmp_path / "evidence.npz")
    kept = load_evidence(tmp_path / "evidence.npz")
    graph = BundleGraph()
    later = recalibrate(graph, kept, calibration, ELSEWHERE)
    assert later == fit_calibration(evidence, THRESHOLDS, CalibrationSettings(prior=ELSEWHERE))
    np.testing.assert_allclose(graph.class_bias.numpy(), later.class_bias, rtol=1e-6)


def test_a_model_without_a_calibration_cannot_be_given_a_prior(
    evidence: Evidence, calibration: Calibration
) -> None:
    bare = calibration.model_copy(update={"class_sets": None})
    with pytest.raises(BadInput, match="none that a prior could change"):
        recalibrate(BundleGraph(), evidence, bare, ELSEWHERE)


@pytest.mark.parametrize(
    ("prior", "says"),
    [
        ((0.5, 0.5, 0.5), r"sum to 1\.5, allowed 1"),
        ((0.5, 0.5, 0.0), "greater than or equal to 0.001"),
        ((1.2, -0.1, -0.1), "less than 1"),
        ((0.5, 0.5), "length 3|Field required"),
    ],
)
def test_impossible_populations_are_refused(prior: tuple[float, ...], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        CalibrationSettings.model_validate({"prior": prior})


def test_a_file_that_is_no_evidence_is_refused(tmp_path: Path, evidence: Evidence) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        load_evidence(tmp_path / "nothing.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(BadInput, match="not what a model said"):
        load_evidence(tmp_path / "text.npz")
    with pytest.raises(BadInput, match=r"kind: expected shape \(5000,\)|class_logits: expected"):
        replace(evidence, kind=evidence.kind[:10])
