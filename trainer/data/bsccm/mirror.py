"""A synthetic mirror of BSCCM: simulated cells in exactly the published layout, so that all runs without the data.

Both variants. Only the four DPC channels and Brightfield have pixels; every other channel, fluorescence and phase image
is an array without chunks, which reads as 0, and the metadata says so. Everything in it is synthetic and nothing in it
is evidence about blood. The metadata file is written last: without it a folder is no data set.
"""

import csv
import json
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.bsccm import bsccmnist_pixels
from phenostream.engine.errors import BadConfig, BadInput
from phenostream.engine.optics.presets import PRESETS, Preset
from phenostream.engine.optics.rendering import seed_sequence
from phenostream.trainer.data.bsccm.layout import (
    ANTIBODIES,
    ASSUMED_PIXEL_UM,
    CORRECTED_COLUMNS,
    FLUOR_CHANNELS,
    GATES,
    IMAGE_PX,
    IMAGES_FOLDER,
    INDEX_COLUMNS,
    INDEX_FILE,
    LED_CHANNELS,
    MARKER_COLUMNS,
    MARKERS_FILE,
    METADATA_FILE,
    SHOT_CHANNELS,
    SINGLE_COLUMNS,
    Variant,
)
from phenostream.trainer.data.bsccm.mirror_cells import CellMaker, raise_to_floor
from phenostream.trainer.data.bsccm.mirror_census import LEAST_CELLS, Census, take_census
from phenostream.trainer.data.bsccm.mirror_store import StoredArray, write_array, write_group

F64 = npt.NDArray[np.float64]

MOST_CELLS: Final = 100_000
SEED: Final = 1
_WRITERS: Final = min(4, os.cpu_count() or 1)
"""Threads: rendering and compressing leave Python's lock, and no cell depends on another."""
_BLOCK: Final = 32
"""Cells handed out at once, after which an interruption is heard."""
_CENSUS: Final = 44
"""Stream of randomness; the others are in `mirror_cells`."""
_BRIGHTFIELD: Final = LED_CHANNELS.index("Brightfield")
_SHOTS: Final = tuple(LED_CHANNELS.index(name) for name in SHOT_CHANNELS)
_NOTE: Final = (
    "Simulated cells in the layout of BSCCM: a check of the pipeline, no evidence about blood. "
    "Brightfield is the mean of the four DPC shots; all other channels, fluorescence and phase images are empty (0)."
)
_BAND_OF_POOL: Final = ((3, 5, 1), (4,), (2,), (0,))
"""Bands in which a pool's dyes shine, in `MARKERS` order: BV570, BV421, BV650 | BV510 | BV605 | BV711."""
_SPILL: Final = 0.15


@dataclass(frozen=True, slots=True)
class MirrorSettings:
    """What to write.

    Attributes:
        cells: 60 to 100,000.
        variant: BSCCM (128 x 128 pixels of 12 bits) or BSCCMNIST (28 x 28 of 8 bits).
        seed: Of everything in it.
        preset: Of the simulator.
        dtype: Of LED images: BSCCMNIST holds its 8 bits in u2, and may hold them in u1; BSCCM in u2.
    """

    cells: int
    variant: Variant = "BSCCMNIST"
    seed: int = SEED
    preset: Preset = "hard"
    dtype: str = "<u2"

    def __post_init__(self) -> None:
        for key, value, low, high in (
            ("cells", self.cells, LEAST_CELLS, MOST_CELLS),
            ("seed", self.seed, 0, 2**31),
        ):
            if not low <= value <= high:
                raise BadConfig(f"{key}: {value} is out of range, allowed {low} to {high}")
        if self.variant not in IMAGE_PX or self.preset not in PRESETS:
            raise BadConfig(f"variant {self.variant!r}, preset {self.preset!r}: not known")
        if self.dtype not in ("<u2", "|u1") or (self.variant, self.dtype) == ("BSCCM", "|u1"):
            raise BadConfig(f"dtype: {self.dtype!r} is not allowed in {self.variant}")


def write_mirror(
    root: Path, settings: MirrorSettings, on_cell: Callable[[], object] = lambda: None
) -> None:
    """Write a mirror; equal settings give equal bytes.

    Args:
        root: New or empty folder.
        settings: What to write.
        on_cell: Called after each cell, for a progress bar.

    Raises:
        BadInput: The folder is not empty.
        OSError: It cannot be written; without its metadata file it is no data set.
    """
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise BadInput(f"{root}: is not an empty folder")
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed_sequence("train", settings.seed, _CENSUS))
    census = take_census(settings.cells, rng)
    maker = CellMaker(census, settings.seed, settings.preset)
    shown = [maker.draw(row) for row in range(len(census))]
    levels = np.stack([maker.markers(row, one) for row, one in enumerate(shown)])
    _write_tables(root, census, raise_to_floor(levels, census), rng)

    def write(row: int) -> None:
        counts = maker.shots(row, shown[row])
        _write_cell(root / IMAGES_FOLDER, census, row, counts, settings)

    with ThreadPoolExecutor(_WRITERS) as writers:
        for start in range(0, len(census), _BLOCK):
            for _ in writers.map(write, range(start, min(start + _BLOCK, len(census)))):
                on_cell()
    (root / METADATA_FILE).write_text(json.dumps(_metadata(settings), indent=1) + "\n")


def _write_tables(root: Path, census: Census, levels: F64, rng: np.random.Generator) -> None:
    _write_csv(root / INDEX_FILE, INDEX_COLUMNS, _index_rows(census, rng))
    columns = ("global_index", *CORRECTED_COLUMNS, *MARKER_COLUMNS, *SINGLE_COLUMNS)
    gates = tuple(gate.column for gate in GATES)
    _write_csv(root / MARKERS_FILE, (*columns, *gates), _marker_rows(census, levels, rng))


def _write_cell(
    store: Path, census: Census, row: int, counts: npt.NDArray[np.uint16], settings: MirrorSettings
) -> None:
    side = IMAGE_PX[settings.variant]
    small = settings.variant == "BSCCMNIST"
    held = 96 if small else side
    images: npt.NDArray[Any] = bsccmnist_pixels(counts) if small else counts
    path = store
    write_group(path)
    for part in census.data_path(row).split("/"):
        path = path / part
        write_group(path)
    for kind in ("led_array", "fluor", "dpc"):
        write_group(path / kind)
    name = f"cell_{census.global_index[row]}"
    led = StoredArray((len(LED_CHANNELS), side, side), (1, held, held), settings.dtype)
    planes = {**dict(zip(_SHOTS, images[:-1], strict=True)), _BRIGHTFIELD: images[-1]}
    write_array(path / "led_array" / name, led, planes)
    band = StoredArray((len(FLUOR_CHANNELS), side, side), led.chunks, "|u1" if small else "<u2")
    write_array(path / "fluor" / name, band, {})
    write_array(path / "dpc" / name, StoredArray((side, side), (held, held), "<f4"), {})


def _metadata(settings: MirrorSettings) -> dict[str, Any]:
    side = IMAGE_PX[settings.variant]
    return {
        "name": f"{settings.variant} synthetic mirror",
        "synthetic": {
            "note": _NOTE,
            "with_pixels": ["Brightfield", *SHOT_CHANNELS],
            "cells": settings.cells,
            "seed": settings.seed,
            "preset": settings.preset,
        },
        "fluorescence": {"channel_names": list(FLUOR_CHANNELS), "image_shape": [side, side]},
        "led_array": {
            "image_shape": [side, side],
            "channel_indices": list(range(len(LED_CHANNELS))),
            "channel_names": list(LED_CHANNELS),
            "exposure_ms": None,
            "camera": "simulated, 12 bits, 30 counts dark",
            "pixel_size_um": ASSUMED_PIXEL_UM,
            "objective": {"NA": 0.5},
            "wavelength_nm": 515,
        },
    }


def _index_rows(census: Census, rng: np.random.Generator) -> Iterable[Mapping[str, object]]:
    height_um = np.round(rng.normal(0, 2, len(census)), 2)
    for row, number in enumerate(census.global_index):
        big = census.kind[row] not in ("red", "debris")
        yield {
            "global_index": number,
            "position_in_fov_y_pix": census.in_field_px[row, 0],
            "position_in_fov_x_pix": census.in_field_px[row, 1],
            "detection_radius": 20.48 if big else 12.8,
            "has_matched_histology_cell": False,
            "fov_center_x": round(census.field_um[row, 1], 1),
            "fov_center_y": round(census.field_um[row, 0], 1),
            "fov_center_z": height_um[row],
            "batch": census.batch[row],
            "antibodies": ANTIBODIES[census.condition[row]],
            "imaging_date": "synthetic",
            "data_path": census.data_path(row),
            "slide_replicate": census.replicate[row],
        }


def _marker_rows(
    census: Census, levels: F64, rng: np.random.Generator
) -> Iterable[Mapping[str, object]]:
    bands = np.full((len(census), len(FLUOR_CHANNELS)), 5.0)
    for pool, shining in enumerate(_BAND_OF_POOL):
        bands += _SPILL * levels[:, [pool]] / len(FLUOR_CHANNELS)
        bands[:, shining] += levels[:, [pool]] / len(shining)
    bands *= rng.lognormal(0, 0.05, bands.shape)
    for row, number in enumerate(census.global_index):
        yield {
            "global_index": number,
            **dict(zip(CORRECTED_COLUMNS, map(_short, bands[row]), strict=True)),
            **dict(zip(MARKER_COLUMNS, map(_short, levels[row]), strict=True)),
            **_single(ANTIBODIES[census.condition[row]], levels[row], bands[row]),
            **{gate.column: bool(census.gates[row, place]) for place, gate in enumerate(GATES)},
        }


def _single(antibodies: str, levels: F64, bands: F64) -> dict[str, object]:
    """Columns of the two-spectrum model: filled for cells stained with one antibody alone."""
    empty: dict[str, object] = dict.fromkeys(SINGLE_COLUMNS, "")
    own = f"{antibodies}_single_antibody_model_unmixed"
    if own in empty:
        pool = next(i for i, name in enumerate(MARKER_COLUMNS) if antibodies in _members(name))
        empty[own] = _short(levels[pool])
        empty["autofluor_single_antibody_model_unmixed"] = _short(bands[-1])
    return empty


def _members(column: str) -> list[str]:
    return column.removesuffix("_full_model_unmixed").split("/")


def _short(value: float) -> str:
    return f"{value:.6g}"


def _write_csv(path: Path, columns: Iterable[str], rows: Iterable[Mapping[str, object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(columns), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
