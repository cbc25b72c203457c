"""A real daemon process on the fake backend, to be killed, drained and started again."""

import hashlib
import io
import json
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest

from phenostream.daemon.run_id import new_run_id
from phenostream.daemon.wire.ingest import Start
from phenostream.engine.manifest import sealed
from phenostream.engine.types import (
    CLASSES,
    MARKERS,
    OUTPUT_SHAPES,
    REDUCED_PIXEL_UM,
    SHOTS,
)

COMMAND = (sys.executable, "-m", "phenostream.deploy.cli", "run", "--json", "--config")
READY_TIMEOUT_S = 40.0
EMPTY_MODEL = (
    b"\x08\x0a"  # an ONNX file with a version and nothing else: the fake backend reads none
)


@dataclass
class DaemonProcess:
    """One daemon: a configuration folder, and the process that runs on it now.

    Attributes:
        extra: TOML appended to the configuration.
        prefix: Command in front of the daemon's, which it must replace by `exec`.
        ready: What the process said when it was ready.
    """

    folder: Path
    bundle: Path
    extra: str = ""
    prefix: tuple[str, ...] = ()
    ready: dict[str, Any] = field(default_factory=dict)
    _process: "subprocess.Popen[str] | None" = None

    def __post_init__(self) -> None:
        self.log = self.folder / "stderr.log"
        self.config = self.folder / "daemon.toml"

    def start(self) -> dict[str, Any]:
        """Start, and wait until it is ready."""
        process = self.spawn()
        output: IO[str] | None = process.stdout
        assert output is not None
        readable, _, _ = select.select([output], [], [], READY_TIMEOUT_S)
        line = output.readline() if readable else ""
        assert line, f"not ready: {self.log.read_text()}"
        self.ready = json.loads(line)
        return self.ready

    def spawn(self) -> "subprocess.Popen[str]":
        """Start without waiting."""
        self.config.write_text(
            '[journal]\ndirectory = "journal"\n'
            f'[model]\nbundle = "{self.bundle}"\nbackend = "fake"\n{self.extra}'
        )
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                [*self.prefix, *COMMAND, str(self.config)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        return self._process

    @property
    def pid(self) -> int:
        """Process id."""
        assert self._process is not None
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for the end; the exit code."""
        assert self._process is not None
        code = self._process.wait(30)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None
        return code

    def kill(self) -> None:
        """kill -9, if it still runs."""
        if self._process is not None:
            self._process.kill()
            self.wait()


@pytest.fixture(scope="session")
def toy_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that passes every check of the loader and holds no model."""
    folder = tmp_path_factory.mktemp("bundle")
    shapes = {"images": (4, 28, 28), "background": (4,), **OUTPUT_SHAPES}
    columns: dict[str, Any] = {k: np.full((2, *s), 0.5, np.float32) for k, s in shapes.items()}
    golden = io.BytesIO()
    np.savez(golden, **columns)
    files = {"model.onnx": EMPTY_MODEL, "golden.npz": golden.getvalue()}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    manifest = {
        "format_version": 1,
        "name": "toy",
        "version": "1",
        "created": "2026-01-01",
        "licence": "Apache-2.0",
        "synthetic": True,
        "classes": CLASSES,
        "markers": MARKERS,
        "marker_unit": "a.u.",
        "marker_transform": {"scale": "log10", "mean": [0] * 4, "sd": [1] * 4},
        "shots": SHOTS,
        "orientation": "left-bright-right",
        "pixel_size_um": REDUCED_PIXEL_UM,
        "crop_px": 28,
        "reduction_kernel": "area",
        "preprocess": "ratio",
        "calibration": {
            "status": "uncalibrated",
            "interval_half_width_z": [1] * 4,
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
    (folder / "manifest.json").write_text(json.dumps(sealed(manifest)))
    return folder


@pytest.fixture
def make_daemon(
    toy_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., DaemonProcess]]:
    """Makes daemons that are killed at the end of the test if they still run."""
    made: list[DaemonProcess] = []

    def make(extra: str = "", folder: Path | None = None) -> DaemonProcess:
        made.append(DaemonProcess(folder or tmp_path_factory.mktemp("d"), toy_bundle, extra))
        return made[-1]

    yield make
    for daemon in made:
        daemon.kill()


@pytest.fixture
def small_start() -> Callable[..., Start]:
    """A START of a 128 x 128 u8 camera."""

    def make(**changes: Any) -> Start:
        fields: dict[str, Any] = {
            "run": new_run_id(),
            "instrument": "scope",
            "pixel_size_um": REDUCED_PIXEL_UM,
            "dark_level": 0.0,
            "white_level": 255.0,
            "bit_depth": 8,
            "dtype": "u8",
            "height": 128,
            "width": 128,
            "shots": SHOTS,
            "wavelength_um": 0.53,
            "numerical_aperture": 0.5,
            "synthetic": True,
            "source_utc_ns": 1,
        }
        return Start.model_validate(fields | changes)

    return make


@pytest.fixture(scope="session")
def small_frame() -> "np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]":
    """A grey frame with four small discs that are bright toward the light."""
    y, x = np.mgrid[0:128, 0:128].astype(np.float32)
    slope_x, slope_y = np.zeros_like(x), np.zeros_like(y)
    for cy, cx in ((30, 30), (30, 90), (70, 30), (100, 90)):
        bell = np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 30)
        slope_x, slope_y = slope_x + (x - cx) * bell, slope_y + (y - cy) * bell
    noise = np.random.default_rng(1).normal(0, 0.5, (4, 128, 128))
    shots = np.stack([slope_x, -slope_x, -slope_y, slope_y]) * 6 + 120 + noise
    return np.clip(shots, 0, 255).astype(np.uint8)
