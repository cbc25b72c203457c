"""What a BSCCM folder says about itself: variant, channel positions, pixel, objective; and where the folder is.

Knows the metadata file and nothing of cells. Only the name and the LED channels have to be there; the rest has defaults
that are told apart from what was stated.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from phenostream.engine.errors import BadInput
from phenostream.trainer.data.bsccm.layout import (
    ASSUMED_PIXEL_UM,
    INDEX_FILE,
    METADATA_FILE,
    SHOT_CHANNELS,
    Variant,
)

_LARGEST_BYTES: Final = 16 << 20
_PIXELS_UM: Final = (0.1, 0.4)
"""A pixel at the sample lies between; another number is the camera chip's, or the reduced image's."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """The metadata of one data set.

    Attributes:
        name: As the data set calls itself.
        variant: BSCCMNIST if the name says so, else BSCCM.
        synthetic: Written by our mirror: its cells are simulated.
        led_channels: Channels along axis 0 of an LED image.
        fluor_channels: Likewise of a fluorescence image; may be empty.
        shots: Position of each of `SHOTS` along axis 0.
        pixel_size_um: Camera pixel at the sample.
        pixel_size_stated: False where 0.2 µm was taken for want of a plausible value.
        objective_na: None where not stated.
        wavelength_nm: None where not stated.
    """

    name: str
    variant: Variant
    synthetic: bool
    led_channels: tuple[str, ...]
    fluor_channels: tuple[str, ...]
    shots: tuple[int, int, int, int]
    pixel_size_um: float
    pixel_size_stated: bool
    objective_na: float | None
    wavelength_nm: float | None


def find_root(folder: Path) -> Path:
    """The data set's folder: this one, or the only one in it that is a data set.

    Raises:
        BadInput: There is none, or more than one.
    """
    if (folder / METADATA_FILE).is_file():
        return folder
    if not folder.is_dir():
        raise BadInput(f"{folder}: no folder")
    inside = sorted(path.parent for path in folder.glob(f"*/{METADATA_FILE}"))
    if len(inside) > 1:
        names = ", ".join(path.name for path in inside[:4])
        raise BadInput(f"{folder}: several data sets in it ({names}): name one of them")
    if not inside:
        unfinished = ", the copy was cut short" if (folder / INDEX_FILE).is_file() else ""
        raise BadInput(f"{folder}: no {METADATA_FILE} in it, nor one level below{unfinished}")
    return inside[0]


def read_metadata(root: Path) -> Metadata:
    """Read the metadata file of a data set.

    Raises:
        BadInput: It is no JSON of the expected shape, or a DPC channel is missing.
    """
    path = root / METADATA_FILE
    stated = _json_object(path)
    led = _mapping(stated, "led_array")
    channels = _names(led, path)
    missing = [name for name in SHOT_CHANNELS if name not in channels]
    if missing:
        raise BadInput(f"{path}: led_array.channel_names: {missing[0]} is not there")
    name = stated.get("name")
    if not isinstance(name, str) or not name:
        raise BadInput(f"{path}: name: allowed is a text, found {str(name)[:40]}")
    pixel = _number(led.get("pixel_size_um"))
    plausible = pixel is not None and _PIXELS_UM[0] <= pixel <= _PIXELS_UM[1]
    a, b, c, d = (channels.index(channel) for channel in SHOT_CHANNELS)
    return Metadata(
        name=name[:80],
        variant="BSCCMNIST" if "MNIST" in name else "BSCCM",
        synthetic="synthetic" in stated,
        led_channels=channels,
        fluor_channels=_names(_mapping(stated, "fluorescence"), path, needed=False),
        shots=(a, b, c, d),
        pixel_size_um=pixel if plausible and pixel is not None else ASSUMED_PIXEL_UM,
        pixel_size_stated=plausible,
        objective_na=_number(_mapping(led, "objective").get("NA")),
        wavelength_nm=_number(led.get("wavelength_nm")),
    )


def _json_object(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise BadInput(f"{path}: larger than {_LARGEST_BYTES >> 20} MiB")
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as err:
        raise BadInput(f"{path}: cannot be read ({str(err)[:80]})") from err
    if not isinstance(value, dict):
        raise BadInput(f"{path}: not a JSON object")
    return value


def _mapping(outer: dict[str, Any], key: str) -> dict[str, Any]:
    value = outer.get(key)
    return value if isinstance(value, dict) else {}


def _names(section: dict[str, Any], path: Path, needed: bool = True) -> tuple[str, ...]:
    names = section.get("channel_names")
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        return tuple(names)
    if needed:
        raise BadInput(f"{path}: led_array.channel_names: allowed is a list of names")
    return ()


def _number(value: object) -> float | None:
    """A plain number, or None: what is optional is never a reason to refuse."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value)
