"""Rendered cells in a folder: kept whole, found again, rendered again when damaged."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from phenostream.engine.optics.rendering import BankSpec, CellBank, pack_bank, render_bank
from phenostream.trainer.data import bank_cache
from phenostream.trainer.data.bank_cache import load_or_render

SPEC = BankSpec(seed=3, n=3, preset="hard", purpose="golden", pixel_size_um=0.343)


def _same(one: CellBank, two: CellBank) -> bool:
    first, second = pack_bank(one), pack_bank(two)
    return all(np.array_equal(first[name], second[name], equal_nan=True) for name in first)


def test_a_cached_bank_equals_a_fresh_one(tmp_path: Path) -> None:
    assert _same(load_or_render(tmp_path / "cache", SPEC), render_bank(SPEC))
    files = list((tmp_path / "cache").iterdir())
    assert [file.suffix for file in files] == [".npz"]
    assert _same(load_or_render(tmp_path / "cache", SPEC), render_bank(SPEC))


def test_a_cached_bank_is_not_rendered_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = replace(SPEC, n=1)
    first = load_or_render(tmp_path, small)
    monkeypatch.setattr(bank_cache, "render_bank", lambda *_: pytest.fail("rendered again"))
    assert _same(load_or_render(tmp_path, small), first)


def test_each_array_namespace_keeps_its_own_file(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    small = replace(SPEC, n=1)
    first = load_or_render(tmp_path, small)
    other = load_or_render(tmp_path, small, xp=torch)
    assert len(list(tmp_path.iterdir())) == 2
    np.testing.assert_allclose(other.patches, first.patches, atol=1e-3)
    assert _same(load_or_render(tmp_path, small), first)


@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_a_damaged_cache_file_is_rendered_again(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    small = replace(SPEC, n=1)
    first = load_or_render(tmp_path, small)
    (path,) = tmp_path.iterdir()
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0xFF
    path.write_bytes(bytes({"cut": data[: len(data) // 2], "flip": data, "empty": b""}[damage]))
    assert _same(load_or_render(tmp_path, small), first)
    assert "rendered again" in caplog.text
    assert len(list(tmp_path.iterdir())) == 1
