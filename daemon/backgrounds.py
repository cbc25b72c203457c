"""Recorded backgrounds: an empty field's light at the reduced size, in one file with what it is of.

The file is a plain .npz of `facts` (JSON), `relative` and perhaps `dark`. It is read as a stranger's: sizes are judged
before a byte is expanded, nothing in it is executed. A background serves the camera it was made with and no other.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from phenostream.daemon.wire.ingest import Name, Shot, Start
from phenostream.daemon.wire.validation import describe
from phenostream.engine.array_archive import ArrayArchive
from phenostream.engine.background import Background
from phenostream.engine.errors import BadInput
from phenostream.engine.reduce import reduced_shape
from phenostream.engine.types import (
    F32,
    LARGEST_PIXEL_UM,
    SHOTS,
    SMALLEST_PIXEL_UM,
    Camera,
    ReductionKernel,
)

MOST_BYTES: Final = 1 << 30
_MOST_FACTS: Final = 64 << 10
_NPY_HEADER: Final = 4096
_LEAST, _MOST = 0.1, 10.0
_MATCHING: Final = ("pixel_size_um", "dark_level", "white_level", "dtype", "height", "width")


class BackgroundFacts(BaseModel):
    """What a background is of; the names are START's.

    Attributes:
        shots: Of `relative`, as announced.
        kernel: How it was reduced.
        frames: It is the median of.
        dark_frames: `dark` is the median of; 0 where there is none.
        synthetic: A simulated microscope's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: Literal["phenostream-background/1"] = "phenostream-background/1"
    instrument: Name
    pixel_size_um: Annotated[float, Field(ge=SMALLEST_PIXEL_UM, le=LARGEST_PIXEL_UM)]
    dark_level: Annotated[float, Field(ge=0, le=65534)]
    white_level: Annotated[float, Field(gt=0, le=65535)]
    dtype: Literal["u8", "u16"]
    height: Annotated[int, Field(ge=28, le=16384)]
    width: Annotated[int, Field(ge=28, le=16384)]
    shots: Annotated[tuple[Shot, ...], Field(min_length=1, max_length=4)]
    kernel: ReductionKernel
    frames: Annotated[int, Field(ge=1)]
    dark_frames: Annotated[int, Field(ge=0)] = 0
    synthetic: bool


@dataclass(frozen=True, slots=True, eq=False)
class RecordedBackground:
    """A background and what it is of.

    Attributes:
        path: Where it was read or shall be written, for messages.
        relative: (n, h, w) float32, see `engine.background.Background`; shots as in `facts.shots`.
        dark: (h, w) float32 or None.
    """

    path: Path
    facts: BackgroundFacts
    relative: F32
    dark: F32 | None

    def check(self, start: Start) -> None:
        """Whether it was made with the camera of this START.

        Raises:
            BadInput: Naming the first thing that differs.
        """
        for key in _MATCHING:
            mine, theirs = getattr(self.facts, key), getattr(start, key)
            if mine != theirs:
                raise BadInput(f"{key}: {theirs}: background {self.path.name} was made at {mine}")
        missing = [shot for shot in start.shots if shot not in self.facts.shots]
        if missing:
            raise BadInput(
                f"shots: {', '.join(missing)}: background {self.path.name} has {', '.join(self.facts.shots)}"
            )

    def background(self, start: Start, truths: tuple[str, ...]) -> tuple[Background, int]:
        """What to divide the frames of a run by, and of how many frames it is made.

        Args:
            start: Of the run.
            truths: What its shots truly are, in the order of the data.

        Raises:
            BadInput: See `check`.
        """
        self.check(start)
        announced = dict(zip(truths, start.shots, strict=True))
        rows = [self.facts.shots.index(announced[shot]) for shot in SHOTS if shot in announced]
        return Background(np.ascontiguousarray(self.relative[rows]), self.dark), self.facts.frames


def write_background(made: RecordedBackground) -> None:
    """Write to its path, which must not exist.

    Raises:
        BadInput: It cannot be created.
    """
    facts = np.frombuffer(made.facts.model_dump_json().encode(), np.uint8)
    columns: dict[str, Any] = {"facts": facts, "relative": made.relative}
    if made.dark is not None:
        columns["dark"] = made.dark
    try:
        with made.path.open("xb") as file:
            np.savez_compressed(file, **columns)
    except OSError as err:
        raise BadInput(f"{made.path}: {(err.strerror or str(err)).lower()}") from err


def read_background(path: Path, kernel: ReductionKernel) -> RecordedBackground:
    """Read and check a background.

    Args:
        path: The file.
        kernel: Of the model that is served.

    Raises:
        BadInput: One line: what is wrong with it, and what is allowed.
    """
    try:
        with path.open("rb") as file, ArrayArchive(file, 2 * MOST_BYTES) as archive:
            facts = _facts(archive)
            _check_sizes(facts, archive.sizes)
            arrays = {name: archive.read(name) for name in archive.sizes if name != "facts"}
    except FileNotFoundError as err:
        raise BadInput(f"{path}: there is no such file") from err
    except (OSError, BadInput) as err:
        raise BadInput(f"{path}: not a background file ({' '.join(str(err).split())})") from err
    made = RecordedBackground(path, facts, arrays["relative"], arrays.get("dark"))
    _check(made, kernel)
    return made


def read_backgrounds(paths: Sequence[Path], kernel: ReductionKernel) -> list[RecordedBackground]:
    """Several, of one instrument each.

    Raises:
        BadInput: See `read_background`; or two are of one instrument.
    """
    read: dict[str, RecordedBackground] = {}
    for path in paths:
        one = read_background(path, kernel)
        other = read.setdefault(one.facts.instrument, one)
        if other is not one:
            raise BadInput(f"{path}: of instrument {one.facts.instrument}, as is {other.path}")
    return list(read.values())


def _facts(archive: ArrayArchive) -> BackgroundFacts:
    sizes = archive.sizes
    if not {"facts", "relative"} <= set(sizes) <= {"facts", "relative", "dark"}:
        raise BadInput("holds other arrays than facts, relative and perhaps dark")
    if sizes["facts"] > _MOST_FACTS:
        raise BadInput(f"facts of {sizes['facts']} bytes, allowed {_MOST_FACTS}")
    try:
        return BackgroundFacts.model_validate(json.loads(archive.read("facts").tobytes()))
    except ValidationError as err:
        raise BadInput(f"facts: {describe(err, BackgroundFacts)}") from err
    except (ValueError, RecursionError) as err:
        raise BadInput(f"facts: not JSON ({str(err)[:80]})") from err


def _shapes(facts: BackgroundFacts) -> dict[str, tuple[int, ...]]:
    camera = Camera(facts.pixel_size_um, facts.dark_level, facts.white_level, facts.dtype)
    small = reduced_shape(camera, (facts.height, facts.width))
    return {"relative": (len(facts.shots), *small), "dark": small}


def _check_sizes(facts: BackgroundFacts, sizes: dict[str, int]) -> None:
    """Before anything is expanded: the file may claim more than it should hold."""
    for name, shape in _shapes(facts).items():
        size, expected = sizes.get(name, 0), 4 * int(np.prod(shape)) + _NPY_HEADER
        if size > min(expected, MOST_BYTES):
            raise BadInput(f"{name} of {size} bytes, allowed {min(expected, MOST_BYTES)}")


def _check(made: RecordedBackground, kernel: ReductionKernel) -> None:
    shapes = _shapes(made.facts)
    for name, array in (("relative", made.relative), ("dark", made.dark)):
        if array is None:
            continue
        expected = shapes[name]
        if array.shape != expected or array.dtype != np.float32:
            raise BadInput(
                f"{made.path}: {name}: {array.dtype} {array.shape}, expected float32 {expected}"
            )
        if not np.isfinite(array).all():
            raise BadInput(f"{made.path}: {name}: holds values that are not finite")
    if not _LEAST <= made.relative.min() <= made.relative.max() <= _MOST:
        raise BadInput(
            f"{made.path}: relative: {made.relative.min():g} to {made.relative.max():g}, "
            f"allowed {_LEAST:g} to {_MOST:g}"
        )
    if made.dark is not None and abs(made.dark).max() > 1:
        raise BadInput(f"{made.path}: dark: {abs(made.dark).max():g}, allowed -1 to 1")
    if made.facts.kernel != kernel:
        raise BadInput(
            f"{made.path}: kernel: reduced by {made.facts.kernel}, the model's is {kernel}; "
            "make it again with --kernel"
        )
