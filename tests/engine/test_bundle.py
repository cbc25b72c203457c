"""Bundles are refused for every surprise, with one line that names the file and what was found."""

import hashlib
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenostream.engine.bundle import load_bundle
from phenostream.engine.errors import BadBundle
from phenostream.engine.manifest import sealed
from phenostream.engine.types import CLASSES, MARKERS, OUTPUT_SHAPES, SHOTS

EMPTY_MODEL = b"\x08\x0a"  # ModelProto with ir_version 10 and nothing else


def npz(**replaced: np.ndarray[Any, Any]) -> bytes:
    shapes = {"images": (4, 28, 28), "background": (4,), **OUTPUT_SHAPES}
    columns: dict[str, Any] = {
        name: np.full((2, *shape), 0.5, np.float32) for name, shape in shapes.items()
    }
    buffer = io.BytesIO()
    np.savez(buffer, **{**columns, **replaced})
    return buffer.getvalue()


def manifest(files: dict[str, bytes]) -> dict[str, Any]:
    return {
        "format_version": 1,
        "name": "test",
        "version": "1",
        "created": "2026-01-01",
        "licence": "Apache-2.0",
        "synthetic": True,
        "classes": CLASSES,
        "markers": MARKERS,
        "marker_unit": "a.u.",
        "marker_transform": {"scale": "log10", "mean": [0, 0, 0, 0], "sd": [1, 1, 1, 1]},
        "shots": SHOTS,
        "orientation": "left-bright-right",
        "pixel_size_um": 0.686,
        "crop_px": 28,
        "reduction_kernel": "area",
        "preprocess": "ratio",
        "calibration": {
            "status": "uncalibrated",
            "interval_half_width_z": [1, 1, 1, 1],
            "ood_threshold": 9,
            "reject_threshold": 0.5,
        },
        "golden": {"fp32": {"tolerance": {"class_logits": 1e-4}}},
        "data_sha256": "0" * 64,
        "parameters": 1,
        "files": {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
            for name, content in files.items()
        },
    }


def write(folder: Path, files: dict[str, bytes], changed: dict[str, Any] | None = None) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (folder / "manifest.json").write_text(json.dumps(sealed(manifest(files) | (changed or {}))))
    return folder


FILES = {
    "model.onnx": EMPTY_MODEL,
    "model.fp16.onnx": EMPTY_MODEL + b"\x08\x0a",
    "golden.npz": npz(),
}


def test_a_whole_bundle_is_read_once_and_held_in_memory(tmp_path: Path) -> None:
    folder = write(tmp_path / "bundle", FILES)
    bundle = load_bundle(folder)
    shutil.rmtree(folder)
    assert dict(bundle.files) == FILES
    assert len(bundle.golden.crops) == len(bundle.golden.outputs) == 2
    assert bundle.identity == f"test 1 ({bundle.sha256[:12]})"


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("place", [0, -1])
def test_one_flipped_bit_in_any_file_is_refused(tmp_path: Path, name: str, place: int) -> None:
    folder = write(tmp_path / "bundle", FILES)
    content = bytearray(FILES[name])
    content[place] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(BadBundle, match=rf"^{name}: expected sha256 [0-9a-f]+…, found [0-9a-f]+…$"):
        load_bundle(folder)


def flip_manifest_bit(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"format_version"', b'"gormat_version"'))


def test_one_changed_digit_of_the_manifest_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "bundle", FILES)
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"ood_threshold": 9', '"ood_threshold": 8'))
    with pytest.raises(
        BadBundle, match=r"^manifest\.json: seal_sha256: expected [0-9a-f]{64}, found"
    ):
        load_bundle(folder)


def edit(**changed: Any) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        path = folder / "manifest.json"
        path.write_text(json.dumps(sealed(json.loads(path.read_text()) | changed)))

    return apply


def link(folder: Path) -> None:
    (folder / "model.onnx").rename(folder.parent / "elsewhere.onnx")
    (folder / "model.onnx").symlink_to(folder.parent / "elsewhere.onnx")


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "model missing": (lambda p: (p / "model.onnx").unlink(), r"model\.onnx is missing"),
    "golden missing": (lambda p: (p / "golden.npz").unlink(), r"golden\.npz is missing"),
    "manifest missing": (lambda p: (p / "manifest.json").unlink(), r"manifest\.json is missing"),
    "folder missing": (shutil.rmtree, r"not a bundle directory"),
    "extra file": (lambda p: (p / "notes.txt").write_text("x"), r"'notes\.txt' is not listed"),
    "extra folder": (lambda p: (p / "more").mkdir(), r"'more' is not a regular file"),
    "link": (link, r"'model\.onnx' is not a regular file"),
    "cut short": (
        lambda p: (p / "golden.npz").write_bytes(b"x"),
        r"^golden\.npz: expected \d+ bytes, found 1$",
    ),
    "grown": (
        lambda p: (p / "model.onnx").write_bytes(EMPTY_MODEL * 9),
        r"^model\.onnx: larger than the 2 bytes expected$",
    ),
    "bit in manifest": (flip_manifest_bit, r"^manifest\.json: .*format_version"),
    "misspelt key": (edit(licens="x"), r"^manifest\.json: licens: .*not permitted.*found x$"),
    "version": (edit(format_version=2), r"^manifest\.json: format_version: .*1, found 2$"),
    "no JSON": (
        lambda p: (p / "manifest.json").write_text("{"),
        r"^manifest\.json: not valid JSON",
    ),
    "twice": (
        lambda p: (p / "manifest.json").write_text('{"name": 1, "name": 2}'),
        r"a key is given twice",
    ),
    "other classes": (
        edit(classes=["monocyte", "granulocyte", "lymphocyte"]),
        r"^manifest\.json: classes: expected \('lymph",
    ),
    "other pixel": (edit(pixel_size_um=0.7), r"pixel_size_um: expected 0\.686, found 0\.7"),
    "path out": (
        edit(files={"../model.onnx": {"sha256": "0" * 64, "size": 1}}),
        r"^manifest\.json: files\.\.\./model\.onnx",
    ),
    "lists itself": (
        edit(files=manifest({**FILES, "manifest.json": b"x"})["files"]),
        r"lists itself",
    ),
}


@pytest.mark.parametrize(("damage", "says"), REFUSED.values(), ids=REFUSED)
def test_a_damaged_bundle_is_refused_in_one_line(
    tmp_path: Path, damage: Callable[[Path], object], says: str
) -> None:
    folder = write(tmp_path / "bundle", FILES)
    damage(folder)
    with pytest.raises(BadBundle, match=says) as caught:
        load_bundle(folder)
    assert "\n" not in str(caught.value)


GOLDEN: dict[str, tuple[bytes, str]] = {
    "no archive": (b"x", r"not a plain array archive"),
    "pickled": (npz(images=np.array([{}, {}], dtype=object)), r"not a plain array archive"),
    "unknown array": (npz(more=np.zeros(2, np.float32)), r"arrays missing or unknown: more"),
    "wrong shape": (npz(feature=np.zeros((2, 255), np.float32)), r"feature: expected float32"),
    "wrong type": (npz(feature=np.zeros((2, 256))), r"found float64"),
    "none": (
        npz(images=np.zeros((0, 4, 28, 28), np.float32)),
        r"images: expected .* with N 1 to 1024",
    ),
    "not finite": (npz(marker_z=np.full((2, 4), np.nan, np.float32)), r"marker_z: .* not finite"),
}


@pytest.mark.parametrize(("content", "says"), GOLDEN.values(), ids=GOLDEN)
def test_golden_arrays_that_cannot_be_compared_are_refused(
    tmp_path: Path, content: bytes, says: str
) -> None:
    folder = write(tmp_path / "bundle", {**FILES, "golden.npz": content})
    with pytest.raises(BadBundle, match=rf"^golden\.npz: .*{says}|^golden\.npz: {says}"):
        load_bundle(folder)


REACHING_OUT = {
    b"\x08\x0a\x3a\x04\x2a\x02\x70\x01": "keeps tensors in other files",
    b"\x08\x0a\x42\x03\x0a\x01\x78": "names operators of 'x'",
    b"\x3a\xff\x01": "not an ONNX file",
    b"<net name='openvino'/>": "not an ONNX file",
}


@pytest.mark.parametrize(("model", "says"), REACHING_OUT.items(), ids=REACHING_OUT.values())
def test_a_model_that_is_not_whole_in_its_own_file_is_refused(
    tmp_path: Path, model: bytes, says: str
) -> None:
    folder = write(tmp_path / "bundle", {**FILES, "model.onnx": model})
    with pytest.raises(BadBundle, match=rf"^model\.onnx: {says}"):
        load_bundle(folder)


def test_marker_values_beyond_any_number_are_refused(tmp_path: Path) -> None:
    plain = manifest(FILES)["marker_transform"]
    changed = {"marker_transform": plain | {"scale": "log10", "sd": [1, 1, 1e4, 1]}}
    says = r"^manifest\.json: marker_transform: \S+: mean \S+ and sd 10000 on a log10 scale: allowed what gives finite"
    with pytest.raises(BadBundle, match=says):
        load_bundle(write(tmp_path / "bundle", FILES, changed))


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("calibration", "ood_threshold", float("nan")),
        ("calibration", "ood_threshold", float("inf")),
        ("calibration", "interval_half_width_z", [1, 1, 1, float("nan")]),
        ("calibration", "interval_half_width_z", [1, 1, 1, -0.5]),
        ("marker_transform", "mean", [0, 0, 0, float("inf")]),
    ],
)
def test_a_number_that_would_make_a_flag_or_an_interval_meaningless_is_refused(
    tmp_path: Path, section: str, key: str, value: object
) -> None:
    changed = {section: manifest(FILES)[section] | {key: value}}
    with pytest.raises(BadBundle, match=rf"^manifest.json: {section}\.{key}"):
        load_bundle(write(tmp_path / "bundle", FILES, changed))
