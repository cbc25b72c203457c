import json
from pathlib import Path
from typing import Any

import pytest

from phenostream.engine.errors import BadInput
from phenostream.trainer.data.bsccm.layout import (
    FLUOR_CHANNELS,
    INDEX_FILE,
    LED_CHANNELS,
    METADATA_FILE,
)
from phenostream.trainer.data.bsccm.metadata import find_root, read_metadata

pytestmark = pytest.mark.trainer


def write(root: Path, led: dict[str, Any], **rest: Any) -> Path:
    root.mkdir(exist_ok=True)
    stated = {"name": "BSCCM", "led_array": {"channel_names": list(LED_CHANNELS)} | led} | rest
    (root / METADATA_FILE).write_text(json.dumps(stated))
    return root


def test_what_is_optional_has_defaults_that_are_told_apart(tmp_path: Path) -> None:
    meta = read_metadata(write(tmp_path, {}))
    assert (meta.variant, meta.synthetic, meta.shots) == ("BSCCM", False, (19, 20, 21, 18))
    assert (meta.pixel_size_um, meta.pixel_size_stated) == (0.2, False)
    assert (meta.objective_na, meta.wavelength_nm, meta.fluor_channels) == (None, None, ())


def test_what_is_stated_is_taken(small_mirror: Path) -> None:
    meta = read_metadata(small_mirror)
    assert (meta.variant, meta.synthetic) == ("BSCCMNIST", True)
    assert (meta.pixel_size_um, meta.pixel_size_stated) == (0.2, True)
    assert (meta.objective_na, meta.wavelength_nm) == (0.5, 515)
    assert meta.fluor_channels == FLUOR_CHANNELS


@pytest.mark.parametrize("pixel", [6.5, 0.0, -1, "0.2", None, True])
def test_a_pixel_that_is_none_at_the_sample_is_not_believed(tmp_path: Path, pixel: Any) -> None:
    meta = read_metadata(write(tmp_path, {"pixel_size_um": pixel}))
    assert (meta.pixel_size_um, meta.pixel_size_stated) == (0.2, False)


def test_channels_are_found_by_name(tmp_path: Path) -> None:
    meta = read_metadata(write(tmp_path, {"channel_names": list(LED_CHANNELS[::-1])}))
    assert meta.shots == (3, 2, 1, 4)


@pytest.mark.parametrize(
    ("led", "rest", "told"),
    [
        ({"channel_names": ["DPC_Left"]}, {}, "led_array.channel_names: DPC_Right is not there"),
        ({"channel_names": "DPC"}, {}, "led_array.channel_names: allowed is a list of names"),
        ({}, {"name": 5}, "name: allowed is a text, found 5"),
    ],
)
def test_what_is_needed_is_named(
    tmp_path: Path, led: dict[str, Any], rest: dict[str, Any], told: str
) -> None:
    with pytest.raises(BadInput, match=f"{METADATA_FILE}: {told}"):
        read_metadata(write(tmp_path, led, **rest))


@pytest.mark.parametrize("content", [b"", b"[1]", b"\xff", b"[" * 100_000])
def test_a_file_that_is_no_metadata_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / METADATA_FILE).write_bytes(content)
    with pytest.raises(BadInput, match=f"{METADATA_FILE}: (cannot be read|not a JSON object)"):
        read_metadata(tmp_path)


def test_the_folder_or_the_one_above_it_is_found(tmp_path: Path) -> None:
    root = write(tmp_path / "BSCCM", {})
    assert find_root(root) == root
    assert find_root(tmp_path) == root
    write(tmp_path / "BSCCM-tiny", {})
    with pytest.raises(BadInput, match=r"several data sets in it \(BSCCM, BSCCM-tiny\)"):
        find_root(tmp_path)


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="nowhere: no folder"):
        find_root(tmp_path / "nowhere")
    with pytest.raises(BadInput, match=f"no {METADATA_FILE} in it, nor one level below$"):
        find_root(tmp_path)
    (tmp_path / INDEX_FILE).touch()
    with pytest.raises(BadInput, match="the copy was cut short"):
        find_root(tmp_path)
