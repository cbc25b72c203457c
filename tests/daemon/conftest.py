"""Small makers shared by the daemon's tests: a START, a manifest, a model on the fake backend."""

from collections.abc import Callable
from typing import Any

import pytest

from phenostream.daemon.engines import Engines
from phenostream.daemon.model import ServedModel
from phenostream.daemon.wire.ingest import Start
from phenostream.engine.backends.fake import FakeBackend
from phenostream.engine.backends.protocol import Backend
from phenostream.engine.manifest import Manifest
from phenostream.engine.types import CLASSES, MARKERS, REDUCED_PIXEL_UM, SHOTS
from tests.daemon.toy_engines import FakeOpener
from tests.system.small_camera import small_start

StartMaker = Callable[..., Start]
ModelMaker = Callable[..., ServedModel]


@pytest.fixture
def make_start() -> StartMaker:
    """A START of a 128 x 128 u8 camera at the reduced pixel; any field can be changed."""

    return small_start


@pytest.fixture
def make_model() -> ModelMaker:
    """A served model on the fake backend, or on the one given; other arguments change its manifest."""

    return toy_model


def toy_model(
    backend: Backend | None = None,
    max_batch: int = 8,
    engines: Engines | None = None,
    sha256: str = "0" * 64,
    **changes: Any,
) -> ServedModel:
    """See `make_model`."""
    manifest = _manifest().model_copy(update=changes)
    engines = engines or Engines(backend or FakeBackend(), FakeOpener())
    return ServedModel(manifest, sha256, engines, max_batch)


def _manifest() -> Manifest:
    return Manifest.model_validate(
        {
            "format_version": 1,
            "name": "toy",
            "version": "1",
            "created": "2026-01-01",
            "licence": "Apache-2.0",
            "synthetic": True,
            "classes": CLASSES,
            "markers": MARKERS,
            "marker_unit": "a.u.",
            "marker_transform": {"scale": "log10", "mean": [1.0] * 4, "sd": [0.5] * 4},
            "shots": SHOTS,
            "orientation": "left-bright-right",
            "pixel_size_um": REDUCED_PIXEL_UM,
            "crop_px": 28,
            "reduction_kernel": "area",
            "preprocess": "ratio",
            "calibration": {
                "status": "uncalibrated",
                "interval_half_width_z": [1.0] * 4,
                "ood_threshold": 10.0,
                "reject_threshold": 0.5,
            },
            "golden": {"fp32": {"tolerance": {"class_logits": 1e-4}}},
            "data_sha256": "0" * 64,
            "parameters": 1,
            "files": {
                name: {"sha256": "0" * 64, "size": 1} for name in ("model.onnx", "golden.npz")
            },
        }
    )
