"""What a daemon takes at its start, and that it says why."""

import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from phenostream.daemon.model import served_model
from phenostream.daemon.model_config import ModelConfig
from phenostream.daemon.swap.candidate import load_candidate
from phenostream.daemon.tuning import choice, plan
from phenostream.daemon.tuning.calibration import Calibration
from phenostream.daemon.tuning.choice import plan_of, tuning
from phenostream.daemon.tuning.measuring import Request
from phenostream.deploy.bundles import demo_bundle
from phenostream.engine.backends.measured import Measured
from phenostream.engine.bundle import Bundle, load_bundle
from phenostream.engine.engine_cache import EngineCache
from phenostream.engine.errors import EngineFault

ORT = Measured("onnxruntime", "fp32", 1, 1, 4, 2000.0, 1900.0, 2100.0, 2.0)
FOUND = Calibration((ORT,), (), (), "2026-11-26T21:00:00+00:00", 0.1, 21.0)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(demo_bundle())


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path / "engines", bytes(32))


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "cuda_devices", lambda: 0)


def config(**changes: Any) -> ModelConfig:
    return ModelConfig(bundle=str(demo_bundle()), **changes)


class Measuring:
    """Gives `FOUND` as disturbed as told, one time after another, or fails; and counts how often it was asked."""

    def __init__(self, *others: float, fails: bool = False) -> None:
        self.requests: list[Request] = []
        self._others = others or (0.1,)
        self._fails = fails

    def __call__(self, request: Request) -> Calibration:
        self.requests.append(request)
        if self._fails:
            raise EngineFault("measuring ended: signal 11")
        return replace(FOUND, others=self._others[len(self.requests) - 1])


def test_a_box_is_measured_once(bundle: Bundle, cache: EngineCache) -> None:
    measuring = Measuring()
    first, second = (tuning(bundle, config(), cache, measuring) for _ in range(2))
    assert first == second
    assert first.rows == (ORT,)
    assert first.max_batch(config()) == 4
    assert len(measuring.requests) == 1
    assert measuring.requests[0].sha256 == bundle.sha256


@pytest.mark.parametrize(
    ("others", "asked", "believed"),
    [((0.1,), 1, "10%"), ((0.6, 0.2), 2, "20%"), ((0.6, 0.3, 0.5), 3, "30%")],
    ids=["quiet at once", "quiet the second time", "never quiet"],
)
def test_what_was_measured_on_a_busy_box_is_measured_again_but_not_for_ever(
    bundle: Bundle, cache: EngineCache, others: tuple[float, ...], asked: int, believed: str
) -> None:
    measuring = Measuring(*others)
    for _ in range(5):
        tuned = tuning(bundle, config(), cache, measuring)
    assert len(measuring.requests) == asked
    assert f"while other work took {believed} of the CPU" in tuned.source


def test_a_doubtful_record_is_better_than_none(bundle: Bundle, cache: EngineCache) -> None:
    tuning(bundle, config(), cache, Measuring(0.6))
    assert tuning(bundle, config(), cache, Measuring(fails=True)).rows == (ORT,)
    assert tuning(bundle, config(), cache).rows == (ORT,)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"measure": False}, "model.measure is false"),
        ({"backend": "fake"}, "backend 'fake' is not among those that are"),
    ],
)
def test_what_is_not_wanted_is_not_measured(
    bundle: Bundle, cache: EngineCache, changes: dict[str, Any], says: str
) -> None:
    measuring = Measuring()
    tuned = tuning(bundle, config(**changes), cache, measuring)
    assert (tuned.rows, tuned.source) == ((), says)
    assert tuned.max_batch(config()) == 32
    assert measuring.requests == []


def test_without_a_folder_to_keep_it_in_nothing_is_measured(bundle: Bundle) -> None:
    tuned = tuning(bundle, config(), None, Measuring())
    assert tuned.explain("openvino", "bf16", "auto") == (
        "the first in the table's order that loads and gives the golden outputs: openvino bf16; "
        "not measured: model.engine_cache names no folder to keep a measurement in"
    )


def test_systemd_hears_that_a_first_start_takes_longer(
    bundle: Bundle, cache: EngineCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        tuning(bundle, config(), cache, Measuring())
        systemd.setblocking(False)
        assert systemd.recv(4096) == (
            b"STATUS=measuring what this box does best, once\nEXTEND_TIMEOUT_USEC=264000000"
        )


def test_a_measurement_that_fails_is_no_reason_not_to_start(
    bundle: Bundle, cache: EngineCache, caplog: pytest.LogCaptureFixture
) -> None:
    tuned = tuning(bundle, config(), cache, Measuring(fails=True))
    assert (tuned.rows, tuned.source) == ((), "measuring ended: signal 11")
    assert "model.measure = false starts without measuring" in caplog.text
    assert tuning(bundle, config(), cache, Measuring()).rows == (ORT,)  # it is tried again


def test_what_was_configured_is_what_is_measured_and_wins() -> None:
    fixed = config(backend="onnxruntime", streams=1, max_batch=8, precision="fp32", fallback="none")
    found = plan_of(fixed)
    assert (found.backends, found.streams, found.max_batch, found.precision) == (
        ("onnxruntime",),
        1,
        8,
        "fp32",
    )
    assert plan_of(config(backend="onnxruntime")).backends == ("openvino", "onnxruntime")
    assert choice.Tuning((ORT,), "").max_batch(fixed) == 8


def test_a_daemon_opens_what_was_measured_and_says_why(tmp_path: Path) -> None:
    cached = config(engine_cache=tmp_path / "engines")
    with served_model(cached, Measuring()) as model:
        primary = model.engines.primary
        assert (primary.name, primary.streams, model.max_batch) == ("onnxruntime", 1, 4)
        assert model.choice == (
            "onnxruntime fp32, 1 stream of 1 thread, batches of 4: 2,000 cells/s (1,900 to 2,100), "
            "the only one measured on this box; measured 2026-11-26T21:00:00+00:00 "
            "while other work took 10% of the CPU"
        )


def test_a_model_that_is_loaded_into_a_running_daemon_takes_what_is_kept(
    bundle: Bundle, tmp_path: Path
) -> None:
    cached = config(engine_cache=tmp_path / "engines")
    with served_model(cached, Measuring()) as serving:
        candidate = load_candidate(bundle, cached, serving.engines.primary.streams)
        try:
            primary = candidate.model.engines.primary
            assert (primary.name, primary.streams) == ("onnxruntime", 1)
            assert candidate.model.choice == serving.choice
        finally:
            candidate.model.close()
