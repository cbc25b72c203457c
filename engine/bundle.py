"""A model bundle, read once and checked: the bytes that were hashed are the bytes that go to the runtime.

Knows files, hashes and the manifest's schema; does not know any runtime. Nothing here trusts the directory: every
surprise is a `BadBundle` of one line that names the file, what was expected and what was found.
"""

import hashlib
import io
import itertools
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import ValidationError

from phenostream.engine.array_archive import ArrayArchive
from phenostream.engine.confinement import confinement_fault
from phenostream.engine.drift.population import Population, population_of
from phenostream.engine.errors import BadBundle, BadInput
from phenostream.engine.manifest import POPULATION_FILE, SEAL, FileEntry, Manifest, seal_of
from phenostream.engine.signature import (
    SIGNATURE,
    SIGNATURE_BYTES,
    PublicKey,
    signer,
    trusted_signer,
)
from phenostream.engine.summary.context import SummaryContext
from phenostream.engine.summary.histogram import LIMIT
from phenostream.engine.types import (
    CLASSES,
    CROP_PX,
    F32,
    MARKERS,
    OUTPUT_SHAPES,
    REDUCED_PIXEL_UM,
    SHOTS,
    Crops,
    Outputs,
)

MANIFEST: Final = "manifest.json"
GOLDEN_INT8: Final = "golden.int8.npz"
_MANIFEST_LIMIT = 1 << 20
_GOLDEN_LIMIT = 64 << 20
_MOST_FILES = 32
_MOST_BYTES = 512 << 20
"""Of all files together, which are held in memory."""


@dataclass(frozen=True, slots=True)
class Golden:
    """What the model must say about fixed crops."""

    crops: Crops
    outputs: Outputs


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle.

    Attributes:
        path: Where it was read, for messages only; nothing reads it again.
        manifest: How to feed the model and how to read its outputs.
        files: Verified content of every file but the manifest, by name.
        golden: Inputs and outputs of the self-test.
        sha256: Hash of the manifest, which holds the hashes of all else: the identity of the model.
        text: The manifest as its file has it, which is what a signature is of.
        golden_int8: What the int8 graph must say about the golden crops, where it is known.
        signed_by: Whose signature of `text` holds; None: the bundle is unsigned. A key has a name only where it was
            given as trusted.
        population: What it said of its training population; None where that is not told.
    """

    path: Path
    manifest: Manifest
    files: Mapping[str, bytes]
    golden: Golden
    sha256: str
    text: bytes
    signed_by: PublicKey | None
    golden_int8: Outputs | None = None
    population: Population | None = None

    @property
    def identity(self) -> str:
        """Name, version and short hash, for results and logs."""
        return f"{self.manifest.name} {self.manifest.version} ({self.sha256[:12]})"


def load_bundle(path: Path, trusted: Sequence[PublicKey] = ()) -> Bundle:
    """Read and verify a bundle directory.

    The signature is judged first, on the bytes that are parsed afterwards: of a bundle that is not signed as wanted,
    nothing is parsed and no other file is opened. A signature that does not hold is refused also where none is wanted.

    Args:
        path: The directory with `manifest.json`.
        trusted: One of these must have signed it; empty: nobody need have.

    Returns:
        The bundle; its golden outputs are not yet compared with any runtime (`open_backend` does).

    Raises:
        BadBundle: Anything is missing, extra, altered, linked, signed by somebody else, of another version or not
            understood.
    """
    found = _listing(path)
    if MANIFEST not in found:
        raise BadBundle(f"{path}: {MANIFEST} is missing")
    text = _read(path / MANIFEST, _MANIFEST_LIMIT)
    signed_by = _judged(path, text, trusted, signed=SIGNATURE in found)
    manifest = _parse_manifest(text)
    _check_marker_values(manifest)
    _check_names(path, found - {MANIFEST, SIGNATURE}, set(manifest.files))
    whole = sum(entry.size for entry in manifest.files.values())
    if whole > _MOST_BYTES:
        raise BadBundle(f"{MANIFEST}: files: {whole} bytes in all, allowed {_MOST_BYTES}")
    files = {name: _verified(path / name, entry) for name, entry in manifest.files.items()}
    for name, content in files.items():
        if name.endswith(".onnx"):
            _check_confined(name, content)
    golden = _parse_golden(files["golden.npz"])
    rounded = files.get(GOLDEN_INT8)
    golden_int8 = None if rounded is None else _parse_int8(rounded, len(golden.crops))
    population = _parse_population(files, manifest)
    sha256 = hashlib.sha256(text).hexdigest()
    return Bundle(path, manifest, files, golden, sha256, text, signed_by, golden_int8, population)


def _judged(
    path: Path, manifest: bytes, trusted: Sequence[PublicKey], *, signed: bool
) -> PublicKey | None:
    """Whose signature of these bytes of the manifest holds."""
    key = signer(manifest, _read(path / SIGNATURE, SIGNATURE_BYTES)) if signed else None
    if not trusted:
        return key
    try:
        return trusted_signer(key, trusted)
    except BadBundle as err:
        raise BadBundle(f"{path}: {err}") from err


def _listing(path: Path) -> set[str]:
    try:
        with os.scandir(path) as entries:
            few = itertools.islice(entries, _MOST_FILES + 1)
            kinds = {entry.name: entry.is_file(follow_symlinks=False) for entry in few}
    except OSError as err:
        raise BadBundle(f"{path}: not a bundle directory ({err.strerror})") from err
    if len(kinds) > _MOST_FILES:
        raise BadBundle(f"{path}: holds more than the {_MOST_FILES} files a bundle may have")
    for name in sorted(name for name, regular in kinds.items() if not regular):
        raise BadBundle(f"{path}: {name!r} is not a regular file; links and folders are refused")
    return set(kinds)


def _check_names(path: Path, found: set[str], listed: set[str]) -> None:
    for name in sorted(listed & {MANIFEST, SIGNATURE}):
        raise BadBundle(f"{MANIFEST}: files: lists {'itself' if name == MANIFEST else name}")
    for name in sorted(listed - found):
        raise BadBundle(f"{path}: {name} is missing; the manifest lists it")
    for name in sorted(found - listed):
        raise BadBundle(
            f"{path}: {name!r} is not listed in the manifest; a bundle holds no other files"
        )


def _read(path: Path, limit: int) -> bytes:
    """The whole file through one descriptor that follows no link; at most `limit` bytes."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            content = file.read(limit + 1)
    except OSError as err:
        raise BadBundle(f"{path.name}: cannot be read ({err.strerror})") from err
    if len(content) > limit:
        raise BadBundle(f"{path.name}: larger than the {limit} bytes expected")
    return content


def _verified(path: Path, entry: FileEntry) -> bytes:
    content = _read(path, entry.size)
    if len(content) != entry.size:
        raise BadBundle(f"{path.name}: expected {entry.size} bytes, found {len(content)}")
    found = hashlib.sha256(content).hexdigest()
    if found != entry.sha256:
        raise BadBundle(f"{path.name}: expected sha256 {entry.sha256[:16]}…, found {found[:16]}…")
    return content


def _parse_manifest(text: bytes) -> Manifest:
    try:
        content = json.loads(text, object_pairs_hook=_unique_keys)
        seal = content.pop(SEAL, None) if isinstance(content, dict) else None
        manifest = Manifest.model_validate(content)
    except ValidationError as err:
        first = err.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"])) or "manifest"
        raise BadBundle(
            f"{MANIFEST}: {key}: {first['msg']}, found {_short(first['input'])}"
        ) from err
    except (ValueError, RecursionError) as err:
        raise BadBundle(f"{MANIFEST}: not valid JSON: {_short(str(err))}") from err
    declared: dict[str, tuple[object, object]] = {
        SEAL: (seal_of(content), seal),
        "classes": (CLASSES, manifest.classes),
        "markers": (MARKERS, manifest.markers),
        "shots": (SHOTS, manifest.shots),
        "pixel_size_um": (REDUCED_PIXEL_UM, manifest.pixel_size_um),
    }
    for key, (expected, found) in declared.items():
        if expected != found:
            raise BadBundle(f"{MANIFEST}: {key}: expected {expected}, found {_short(found)}")
    return manifest


def _check_marker_values(manifest: Manifest) -> None:
    """Every z that a summary tells of is a finite number in the marker unit."""
    context = SummaryContext.of(manifest)
    for place, name in enumerate(manifest.markers):
        if not context.spans_finite_values(place):
            transform = manifest.marker_transform
            raise BadBundle(
                f"{MANIFEST}: marker_transform: {name}: mean {transform.mean[place]:g} and sd {transform.sd[place]:g} "
                f"on a {transform.scale} scale: allowed what gives finite values from z -{LIMIT:g} to {LIMIT:g}"
            )


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a key is given twice")
    return content


def _short(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 80 else text[:79] + "…"


def _check_confined(name: str, content: bytes) -> None:
    try:
        fault = confinement_fault(content)
    except ValueError as err:
        raise BadBundle(f"{name}: not an ONNX file ({err})") from err
    if fault is not None:
        raise BadBundle(f"{name}: {fault}")


def _parse_golden(content: bytes) -> Golden:
    name = "golden.npz"
    shapes = {"images": (4, CROP_PX, CROP_PX), "background": (4,), **OUTPUT_SHAPES}
    columns = _columns(name, content, shapes)
    _check_rows(name, columns, shapes, len(columns["images"]) if columns["images"].ndim else 0)
    crops = Crops(columns.pop("images"), columns.pop("background"))
    return Golden(crops, Outputs(**columns))


def _parse_int8(content: bytes, count: int) -> Outputs:
    """Outputs alone, of the `count` crops of `golden.npz`."""
    columns = _columns(GOLDEN_INT8, content, OUTPUT_SHAPES)
    _check_rows(GOLDEN_INT8, columns, OUTPUT_SHAPES, count)
    return Outputs(**columns)


def _parse_population(files: Mapping[str, bytes], manifest: Manifest) -> Population | None:
    if manifest.training_population is None:
        return None
    try:
        return population_of(files[POPULATION_FILE], SummaryContext.of(manifest))
    except BadInput as err:
        raise BadBundle(f"{POPULATION_FILE}: {err}") from err


def _columns(name: str, content: bytes, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, F32]:
    try:
        with ArrayArchive(io.BytesIO(content), _GOLDEN_LIMIT) as archive:
            columns: dict[str, F32] = {key: archive.read(key) for key in archive.sizes}
    except BadInput as err:
        raise BadBundle(f"{name}: not a plain array archive: {err}") from err
    if set(columns) != set(shapes):
        odd = ", ".join(sorted(set(columns) ^ set(shapes)))
        raise BadBundle(f"{name}: arrays missing or unknown: {odd}")
    return columns


def _check_rows(
    name: str, columns: Mapping[str, F32], shapes: Mapping[str, tuple[int, ...]], count: int
) -> None:
    for key, shape in shapes.items():
        array = columns[key]
        if array.dtype != np.float32 or array.shape != (count, *shape) or not 1 <= count <= 1024:
            raise BadBundle(
                f"{name}: {key}: expected float32 (N, {', '.join(map(str, shape))}) with N 1 to 1024, "
                f"found {array.dtype} {array.shape}"
            )
        if not np.isfinite(array).all():
            raise BadBundle(f"{name}: {key}: holds values that are not finite")
