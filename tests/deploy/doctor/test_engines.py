"""What the doctor says of the engines is what was measured, and what a daemon of that configuration does."""

import os
from pathlib import Path
from typing import Any

import pytest

from phenostream.daemon.engine_cache import opened_cache
from phenostream.daemon.model import served_model
from phenostream.daemon.model_config import ModelConfig
from phenostream.daemon.tuning import plan
from phenostream.daemon.tuning.calibration import Absent, Calibration, Loaded
from phenostream.daemon.tuning.measuring import Request
from phenostream.deploy.bundles import demo_bundle
from phenostream.deploy.doctor import engines
from phenostream.deploy.doctor.engines import Examination, examine
from phenostream.engine.backends.measured import Measured
from phenostream.engine.errors import BadConfig, EngineFault

FOUND = Calibration(
    (
        Measured("onnxruntime", "fp32", 1, 1, 4, 400.0, 390.0, 410.0, 2.0),
        Measured("openvino", "fp32", 2, 2, 8, 700.0, 690.0, 710.0, 3.0),
    ),
    (
        Loaded("openvino", "fp32", "CPU (Xeon)", 1.9e-6),
        Loaded("onnxruntime", "fp32", "CPU", 4.8e-7),
    ),
    (
        Absent(
            "openvino", "int8", "openvino: precision 'int8' is not available, allowed fp32, bf16"
        ),
    ),
    "2026-11-26T21:00:00+00:00",
    0.1,
    21.0,
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """Every request to measure; each is answered with `FOUND`."""
    requests: list[Request] = []

    def measure(request: Request, **_: object) -> Calibration:
        requests.append(request)
        return FOUND

    monkeypatch.setattr(engines, "measure_apart", measure)
    monkeypatch.setattr(plan, "cuda_devices", lambda: 0)
    return requests


def examined(cache: Path | None = None, *, again: bool = False, **changes: Any) -> Examination:
    return examine(
        ModelConfig(bundle=str(demo_bundle()), engine_cache=cache, **changes), again=again
    )


def test_the_best_comes_first_and_what_cannot_serve_last_with_its_reason(
    asked: list[Request],
) -> None:
    found = examined()
    assert [(row.backend, row.precision, row.reason is None) for row in found.rows][:3] == [
        ("openvino", "fp32", True),
        ("onnxruntime", "fp32", True),
        ("openvino", "int8", False),
    ]
    reasons = {row.backend: row.reason for row in found.rows}
    assert reasons["torch"] == "not tried: this box has no CUDA device"
    assert "fake" not in reasons
    assert found.rows[0].as_dict() == {
        "backend": "openvino",
        "precision": "fp32",
        "loads": True,
        "reason": None,
        "device": "CPU (Xeon)",
        "golden_difference": 1.9e-6,
        "streams": 2,
        "threads": 2,
        "max_batch": 8,
        "cells_per_s": 700.0,
        "least": 690.0,
        "most": 710.0,
        "batch1_ms": 3.0,
        "taken": False,
    }


def test_without_an_engine_cache_it_says_what_a_daemon_does_instead(asked: list[Request]) -> None:
    found = examined()
    assert found.source == "not kept: no model.engine_cache is configured (--config FILE)"
    assert (
        "A daemon without an engine cache does not know this: it takes openvino, the first"
        in found.why
    )
    assert not any(row.taken for row in found.rows)


def test_a_record_is_read_and_is_the_one_a_daemon_takes(
    asked: list[Request], tmp_path: Path
) -> None:
    cache = tmp_path / "engines"
    opened_cache(cache)
    first, second = examined(cache), examined(cache)
    assert (first.is_new, second.is_new, len(asked)) == (True, False, 1)
    assert second.why.startswith(
        "a daemon takes openvino fp32, 2 streams of 1 thread, batches of 8:"
    )
    assert [row.backend for row in second.rows if row.taken] == ["openvino"]
    config = ModelConfig(bundle=str(demo_bundle()), engine_cache=cache)
    with served_model(config, measure=None) as model:
        assert (model.engines.primary.name, model.engines.primary.precision) == ("openvino", "fp32")
        assert model.max_batch == 8
    assert examined(cache, again=True).is_new


def test_a_folder_that_the_daemon_has_yet_to_make_is_left_to_it(
    asked: list[Request], tmp_path: Path
) -> None:
    cache = tmp_path / "engines"
    assert examined(cache).source == f"not kept: {cache} is made by the daemon at its first start"
    assert os.listdir(tmp_path) == []


def test_the_record_of_another_user_is_left_alone(
    asked: list[Request], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "engines"
    opened_cache(cache)
    monkeypatch.setattr("os.geteuid", lambda: 4711)
    assert examined(cache).source == f"not kept: {cache} is another user's"


def test_a_folder_that_others_may_enter_is_refused(asked: list[Request], tmp_path: Path) -> None:
    cache = tmp_path / "engines"
    opened_cache(cache)
    cache.chmod(0o755)
    with pytest.raises(BadConfig, match="mode 0755"):
        examined(cache)
    assert asked == []


def test_a_configured_backend_is_the_one_that_is_taken(
    asked: list[Request], tmp_path: Path
) -> None:
    cache = tmp_path / "engines"
    opened_cache(cache)
    found = examined(cache, backend="onnxruntime", streams=1)
    assert [row.backend for row in found.rows if row.taken] == ["onnxruntime"]
    assert "although openvino fp32 700 was measured on this box" in found.why
    assert asked[0].plan.streams == 1


def test_a_backend_that_is_never_measured_is_said_to_be(asked: list[Request]) -> None:
    with pytest.raises(EngineFault, match=r"model\.backend: 'fake' is none that is measured"):
        examined(backend="fake")
