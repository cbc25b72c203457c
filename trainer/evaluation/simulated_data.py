"""Simulated cells to judge a model on: what a training would have seen, test cells of their own, and outliers.

Synthetic, and every fact says so. Test cells and outliers are drawn under the purpose `golden`, which no training sees.
"""

from pathlib import Path

import numpy as np

from phenostream.engine.optics.presets import Preset
from phenostream.engine.types import CLASSES, MARKERS
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.data.simulated import (
    FAR_UM,
    PRODUCT_PIXEL_UM,
    Part,
    PartSettings,
    make_cells,
)
from phenostream.trainer.evaluation.controls.perturbations import perturbed
from phenostream.trainer.evaluation.data import EvaluationData
from phenostream.trainer.evaluation.schema.document import DataFacts

_CROPS_PER_OBJECT = 2


def simulated_data(preset: Preset, crops: int, seed: int, cache: Path) -> EvaluationData:
    """The cells of one preset, from the cache or made and put there.

    Args:
        preset: Of the simulator.
        crops: Test crops; as many training crops for what is fitted beside the model, and a third of them out of focus.
        seed: Of all parts; no two parts share an object or a frame.
        cache: Folder for rendered objects and finished parts.

    Raises:
        BadConfig: The numbers are out of range.
    """

    def part(name: Part, count: int) -> CellSet:
        objects = max(50, count // _CROPS_PER_OBJECT)
        return make_cells(PartSettings(name, preset, seed, objects, count), cache)

    train, test, far = part("train", crops), part("test", crops), part("far", max(50, crops // 3))
    white = test.select(test.white)
    low, high = FAR_UM
    outliers = {f"defocus {low:g} to {high:g} µm, rendered": far.select(far.white)}
    return EvaluationData(train, test, outliers | perturbed(white), _facts(preset, test))


def _facts(preset: Preset, test: CellSet) -> DataFacts:
    usable = test.marker_mask & test.white[:, None]
    return DataFacts(
        name=f"simulated cells, preset {preset}",
        synthetic=True,
        protocol="simulated",
        rows=len(test),
        labelled_after={name: test.counts()[name] for name in CLASSES},
        present={"frames": str(len(np.unique(test.group)))},
        pixel_size_um=PRODUCT_PIXEL_UM,
        supervised={name: int(usable[:, i].sum()) for i, name in enumerate(MARKERS)},
        at_floor={
            name: float(test.censored[usable[:, i], i].mean()) if usable[:, i].any() else 0.0
            for i, name in enumerate(MARKERS)
        },
        donors="none: the cells are simulated",
        notes=(
            "Synthetic: cells are rendered, exposed, found and cut as a microscope and the daemon would; how shape and "
            "marker levels hang together is an assumption of the simulator.",
        ),
    )
