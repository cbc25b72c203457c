"""Large pixels are judged on the same cells by the model that is served."""

from pathlib import Path

import pytest

from phenostream.deploy.bench import pixels
from phenostream.deploy.bundles import demo_bundle
from phenostream.engine.backends.fake import FakeBackend
from phenostream.engine.bundle import load_bundle


def test_every_pixel_is_judged_on_both_presets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixels, "PIXELS_UM", (0.686, 1.2))
    monkeypatch.setattr(pixels, "_FIELD_PX", 200)
    monkeypatch.setattr(pixels, "_RENDERED", 24)
    made = []
    rows = pixels.measure_pixels(
        load_bundle(demo_bundle()), FakeBackend(), tmp_path, 2, lambda: made.append(1)
    )
    assert [(row.preset, row.pixel_size_um) for row in rows] == [
        ("easy", 0.686), ("easy", 1.2), ("hard", 0.686), ("hard", 1.2),
    ]  # fmt: skip
    assert len(made) == 8
    for row in rows:
        assert row.recall > 0.9
        assert row.precision > 0.9
        assert 0 <= row.class_accuracy <= 1
