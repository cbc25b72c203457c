"""A bundle with what its model says of a population of simulated cells, to compare streams with (`engine.drift`).

For a bundle whose training is over, so that only its graph can still be asked. Every other file is kept byte for byte.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from phenostream.deploy.model_frames import ModelFrame, StreamSettings, model_frames, simulator_of
from phenostream.engine.backends.registry import open_backend
from phenostream.engine.bundle import Bundle
from phenostream.engine.drift.frame import frame_values, principal_projection
from phenostream.engine.drift.population import Population, population_bytes
from phenostream.engine.drift.quantities import quantities_of
from phenostream.engine.drift.sums import Sums
from phenostream.engine.manifest import POPULATION_FILE, TrainingPopulation
from phenostream.engine.optics.presets import Preset
from phenostream.engine.postprocess import CLASSIFIED
from phenostream.engine.summary.context import SummaryContext
from phenostream.trainer.export import file_entries, refuse_foreign_folder, write_folder

FRAMES: Final = 150
"""Of 2048 x 2048 pixels: some 16,000 white cells."""
_RENDERED: Final = 3000
_SEED: Final = 8
_SIZE_PX: Final = 2048


def add_population(
    source: Bundle,
    preset: Preset,
    out_dir: Path,
    cache: Path,
    frames: int = FRAMES,
    on_frame: Callable[[], object] = lambda: None,
) -> TrainingPopulation:
    """Ask the float32 graph about simulated frames, and write the bundle with what it said.

    Args:
        source: What to extend; what it had of this is made anew. A signature is dropped: it is of another manifest.
        preset: Of the frames. Their objects are drawn under the purpose `golden`, of which `simulate` draws none.
        out_dir: As of `trainer.export.write_bundle`; may be where `source` was read.
        cache: Folder for rendered objects.
        frames: How many.
        on_frame: Called after each.

    Raises:
        BadInput: `out_dir` holds something else than a bundle.
        EngineFault: The graph gives no numbers.
    """
    refuse_foreign_folder(out_dir)
    settings = StreamSettings(preset, "golden", _SEED, min(_RENDERED, 20 * frames), _SIZE_PX)
    simulator = simulator_of(settings, cache)
    backend = open_backend(source, "onnxruntime", precision="fp32", streams=1)
    told = []
    try:
        for one in model_frames(simulator, range(frames), backend, source.manifest):
            told.append(one)
            on_frame()
    finally:
        backend.close()
    population = _population(told, SummaryContext.of(source.manifest, simulated_cells=True))
    facts = TrainingPopulation(
        cells=(
            f"all objects of {frames} simulated frames of {_SIZE_PX} x {_SIZE_PX} pixels of 0.1715 µm, preset "
            f"{preset}, {settings.rendered} distinct objects of seed {_SEED}, purpose golden: of the preset's own "
            "ranges and shares of classes; `phenostream train` trains on none of them"
        ),
        frames=frames,
        classified=int(sum((one.columns["status"] == CLASSIFIED).sum() for one in told)),
        synthetic=True,
        precision="fp32",
    )
    contents = {**source.files, POPULATION_FILE: population_bytes(population)}
    update = {"training_population": facts, "files": file_entries(contents)}
    write_folder(contents, source.manifest.model_copy(update=update), out_dir)
    return facts


def _population(told: list[ModelFrame], context: SummaryContext) -> Population:
    """Of no brightness: that of a simulated camera says nothing of another."""
    projection = principal_projection(np.concatenate([one.feature for one in told]))
    sums = Sums(len(quantities_of(context)))
    for one in told:
        sums.add(*frame_values(context, one.columns, projection.of(one.feature)))
    return Population(sums, projection)
