"""The simulator beside real cells: edge signs of the four shots, and apparent sizes.

`pytest tests/engine/optics/test_real_cells.py --log-cli-level=INFO` prints the table of sizes.
"""

import csv
import logging
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from phenostream.engine.optics.camera import CameraSettings, SimulatedCamera
from phenostream.engine.optics.cells import KINDS, draw_object
from phenostream.engine.optics.forward import Optics
from phenostream.engine.optics.illumination import TILT
from phenostream.engine.optics.measure import apparent_diameter
from phenostream.engine.optics.patch import render_object
from phenostream.engine.optics.presets import Preset
from phenostream.engine.optics.rendering import BankSpec, CellBank, render_bank
from phenostream.engine.types import SHOTS

logger = logging.getLogger(__name__)

FIGURES = Path(__file__).parents[4] / "shared" / "data" / "bsccm_figures"
SIDE_PX, PIXEL_UM = 128, 0.2
REAL_NAME = {"rbc": "red"}
Image = npt.NDArray[np.uint8]

needs_figures = pytest.mark.skipif(
    not FIGURES.is_dir(), reason="the shared data folder with the real BSCCM figures is absent"
)


def _read(name: str) -> Image:
    image = cv2.imread(str(FIGURES / "png" / f"{name}.png"), cv2.IMREAD_GRAYSCALE)
    assert image is not None, name
    how = cv2.INTER_AREA if image.shape[0] > SIDE_PX else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (SIDE_PX, SIDE_PX), interpolation=how), np.uint8)


def _dipole(shot: npt.NDArray[np.float32]) -> tuple[float, float]:
    """Σ (I - background)(r - r0) over the middle of a shot, (y, x)."""
    n = shot.shape[-1]
    line = np.arange(n) - (n - 1) / 2
    y, x = np.meshgrid(line, line, indexing="ij")
    near = np.hypot(y, x) < 0.32 * n
    rim = np.hypot(y, x) > 0.45 * n
    change = np.where(near, shot - np.median(shot[rim]), 0.0)
    return float((change * y).sum()), float((change * x).sum())


def _bright_edge(shot: npt.NDArray[np.float32]) -> tuple[int, int]:
    y, x = _dipole(shot)
    return (0, int(np.sign(x))) if abs(x) > abs(y) else (int(np.sign(y)), 0)


@needs_figures
@pytest.mark.parametrize("quad", ["quad5", "quad11", "quad26"])
def test_real_cells_have_the_bright_edges_that_the_convention_says(quad: str) -> None:
    edges = {s: _bright_edge(_read(f"{quad}_DPC_{s.title()}").astype(np.float32)) for s in SHOTS}
    assert edges == TILT


@pytest.mark.parametrize("kind", ["lymphocyte", "granulocyte", "monocyte", "red"])
def test_simulated_cells_have_the_bright_edges_that_real_cells_have(kind: str) -> None:
    for seed in range(3):
        shown = draw_object(np.random.default_rng(seed), kind, "easy")
        shots = render_object(shown, PIXEL_UM, Optics())
        edges = {name: _bright_edge(shot) for name, shot in zip(SHOTS, shots, strict=True)}
        assert edges == TILT


@needs_figures
@pytest.mark.parametrize("preset", ["easy", "hard"])
def test_median_apparent_diameters_equal_the_real_ones_within_five_percent(preset: Preset) -> None:
    real, simulated = _real_diameters(), _simulated_diameters(preset)
    for kind in ("red", "lymphocyte", "granulocyte", "monocyte"):
        logger.info(
            "%s %-11s real median %.1f px (n=%d, 10-90 %% %.0f-%.0f), synthetic %.1f px (n=%d, %.0f-%.0f)",
            preset,
            kind,
            *_summary(real[kind]),
            *_summary(simulated[kind]),
        )
    for kind, found in simulated.items():
        assert np.median(found) == pytest.approx(np.median(real[kind]), rel=0.05), kind


def test_granulocytes_and_monocytes_overlap_in_size() -> None:
    found = _simulated_diameters("hard")
    low, high = np.quantile(found["monocyte"], [0.1, 0.6])
    share = np.mean(
        (np.array(found["granulocyte"]) > low) & (np.array(found["granulocyte"]) < high)
    )
    assert share > 0.25


def _summary(found: list[float]) -> tuple[float, int, float, float]:
    low, high = np.quantile(found, [0.1, 0.9])
    return float(np.median(found)), len(found), float(low), float(high)


def _real_diameters() -> dict[str, list[float]]:
    """By kind; clu_* are DPC_Right, gs* DPC_Left: the measure does not mind."""
    found: dict[str, list[float]] = {}
    with (FIGURES / "index.csv").open(newline="") as text:
        rows = [row for row in csv.DictReader(text) if row["cls"] not in ("", "unknown")]
    for row in rows:
        kind = REAL_NAME.get(row["cls"], row["cls"])
        found.setdefault(kind, []).append(apparent_diameter(_read(row["name"])))
    return found


_DIAMETERS: dict[Preset, dict[str, list[float]]] = {}


def _simulated_diameters(preset: Preset) -> dict[str, list[float]]:
    """Single cells as the camera sees them, cut to 128 px of 0.2 µm and stretched to 8 bit as the real ones are."""
    if preset not in _DIAMETERS:
        bank = render_bank(
            BankSpec(1, 240, preset, "golden", PIXEL_UM, (0.8, 0.2, 0.0), (1 / 3, 1 / 3, 1 / 3))
        )
        _DIAMETERS[preset] = _measured(bank)
    return _DIAMETERS[preset]


def _measured(bank: CellBank) -> dict[str, list[float]]:
    camera = SimulatedCamera(
        CameraSettings(), (SIDE_PX, SIDE_PX), PIXEL_UM, np.random.default_rng(5)
    )
    rng = np.random.default_rng(6)
    low = (bank.patches.shape[-1] - SIDE_PX) // 2
    middle = slice(low, low + SIDE_PX)
    found: dict[str, list[float]] = {}
    for index in np.flatnonzero(np.bincount(bank.cell_object) == 1):
        counts = camera.expose(camera.base * bank.patches[index][:, middle, middle], rng)
        shot = counts[index % 2].astype(np.float32)
        stretched = ((shot - shot.min()) / np.ptp(shot) * 255).astype(np.uint8)
        kind = KINDS[bank.object_kind[index]]
        found.setdefault(kind, []).append(apparent_diameter(stretched))
    return found
