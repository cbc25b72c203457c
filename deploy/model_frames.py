"""Simulated frames as the daemon works through them, without a daemon: what a bundle's model says of each.

The same reduce, detect, crop and postprocess, one frame after the other. Everything it makes is synthetic.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from phenostream.engine.backends.protocol import Backend
from phenostream.engine.crop import cut_crops
from phenostream.engine.detect import Detector
from phenostream.engine.manifest import Manifest
from phenostream.engine.optics.camera import CameraSettings
from phenostream.engine.optics.presets import Preset
from phenostream.engine.optics.rendering import BankSpec, Purpose
from phenostream.engine.optics.scene import FrameSimulator, SceneSettings
from phenostream.engine.postprocess import CLASSIFIED, FieldOfView, frame_columns
from phenostream.engine.reduce import Reducer
from phenostream.engine.types import F32, OUTPUT_SHAPES, SHOTS, Crops, Outputs
from phenostream.trainer.data.bank_cache import load_or_render

PIXEL_UM = 0.1715
"""Of the product's camera, at the sample."""


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """What is simulated.

    Attributes:
        preset: Of the simulator.
        purpose: Splits the seeds: no object of one purpose is in another's frames.
        seed: Of objects, shading and noise.
        rendered: Distinct objects.
        size_px: Side of a frame, camera pixels.
        white_mix: Shares of the classes; None: the preset's.
        far_um: Least and greatest distance from the focal plane, µm; None: the preset's.
        gain: Of the camera: by what the background is brighter.
    """

    preset: Preset = "hard"
    purpose: Purpose = "simulate"
    seed: int = 0
    rendered: int = 200
    size_px: int = 1024
    white_mix: tuple[float, float, float] | None = None
    far_um: tuple[float, float] | None = None
    gain: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class ModelFrame:
    """One frame.

    Attributes:
        columns: Of its result, by name (see `postprocess`).
        feature: (M, 256) of its classified cells, in their order.
        levels: Background level of each shot, fraction of full scale.
    """

    columns: dict[str, npt.NDArray[Any]]
    feature: F32
    levels: dict[str, float]


def simulator_of(settings: StreamSettings, cache: Path) -> FrameSimulator:
    """A simulated microscope; its objects are rendered once and kept in the cache folder."""
    spec = BankSpec(
        seed=settings.seed,
        n=settings.rendered,
        preset=settings.preset,
        purpose=settings.purpose,
        pixel_size_um=PIXEL_UM,
        white_mix=settings.white_mix,
        far_um=settings.far_um,
    )
    own = CameraSettings()
    camera = replace(own, background_counts=own.background_counts * settings.gain)
    side = settings.size_px
    scene = SceneSettings(side, side, PIXEL_UM, settings.preset, camera=camera)
    return FrameSimulator(scene, load_or_render(cache, spec), settings.seed)


def model_frames(
    simulator: FrameSimulator, numbers: Iterable[int], backend: Backend, manifest: Manifest
) -> Iterator[ModelFrame]:
    """What a model says of some frames.

    Args:
        simulator: Whose frames.
        numbers: Which.
        backend: Of the model, warm.
        manifest: Of it.
    """
    shape = simulator.settings.height_px, simulator.settings.width_px
    reducer = Reducer(simulator.camera, shape, kernel=manifest.reduction_kernel)
    detector = Detector(reducer.reduced_shape)
    view = FieldOfView(reducer.factor, PIXEL_UM, shape)
    for number in numbers:
        reduced = reducer.reduce(simulator.frame(number).counts)
        detections = detector.detect(reduced)
        outputs = _inferred(cut_crops(reduced, detections), backend)
        seen = ~detections.edge
        told = frame_columns(detections, seen, outputs, view, manifest)
        columns = {name: column.array for name, column in told.items()}
        levels = dict(zip(SHOTS, reduced.levels, strict=True))
        chosen = columns["status"][seen] == CLASSIFIED
        yield ModelFrame(columns, outputs.feature[chosen], levels)


def _inferred(crops: Crops, backend: Backend) -> Outputs:
    """Of each crop, in order; N may be 0."""
    most = backend.max_batch
    columns: dict[str, list[F32]] = {
        name: [np.empty((0, *shape), np.float32)] for name, shape in OUTPUT_SHAPES.items()
    }
    for start in range(0, len(crops), most):
        rows = slice(start, start + most)
        said = backend.infer(crops.images[rows], crops.background[rows])
        for name, parts in columns.items():
            parts.append(getattr(said, name))
    return Outputs(**{name: np.concatenate(parts) for name, parts in columns.items()})
