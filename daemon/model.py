"""The model this daemon serves: a verified bundle, the backend it runs on, and what every result says about it."""

import logging
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from phenostream.daemon.engine_cache import opened_cache
from phenostream.daemon.engines import Engine, Engines, weakest
from phenostream.daemon.model_config import ModelConfig
from phenostream.daemon.priority import runtime_threads
from phenostream.daemon.security.trusted_keys import read_trusted_keys
from phenostream.daemon.tuning.apart import measure_apart
from phenostream.daemon.tuning.choice import Measure, tuning
from phenostream.daemon.tuning.plan import UNMEASURED_BATCH
from phenostream.engine.backends.driver import why_no_device
from phenostream.engine.backends.measured import Measured
from phenostream.engine.backends.options import Pace, full_speed
from phenostream.engine.backends.protocol import Backend
from phenostream.engine.backends.registry import (
    AUTO_ORDER,
    NEED_CUDA,
    fallbacks,
    golden_test,
    open_backend,
)
from phenostream.engine.bundle import Bundle, load_bundle
from phenostream.engine.drift.population import Population
from phenostream.engine.engine_cache import EngineCache
from phenostream.engine.errors import BadConfig, BadInput, EngineFault, PhenostreamError
from phenostream.engine.manifest import Manifest
from phenostream.engine.types import CROP_PX

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """A model as its numbers know it, on whatever engine.

    Attributes:
        sha256: Of the bundle; empty where that is not known.
    """

    sha256: str
    manifest: Manifest


@dataclass(frozen=True, slots=True, eq=False)
class ServedModel:
    """A model that is loaded, tested and warm.

    Attributes:
        sha256: Identity of the bundle.
        engines: The backend that was configured, and those that may take over.
        max_batch: Cells a batch may hold.
        signed_by: Name (if it is a trusted one) and fingerprint of the key that signed the bundle; None: unsigned.
        choice: Why the backend that was opened first is the one, for a person.
        threads: Of the runtime, by the system's number, as far as they were born, or idle, when it was opened.
        population: What the bundle says of its training population; None: nothing.
    """

    manifest: Manifest
    sha256: str
    engines: Engines
    max_batch: int
    signed_by: str | None = None
    choice: str = ""
    threads: frozenset[int] = frozenset()
    population: Population | None = None

    @property
    def identity(self) -> Identity:
        """Whose numbers a summary is of."""
        return Identity(self.sha256, self.manifest)

    def in_words(self) -> str:
        """Who it is and what runs it, for a log."""
        engine = self.engines.serving
        return (
            f"{self.manifest.name} {self.manifest.version} ({self.sha256[:12]}) on {engine.backend} "
            f"{engine.precision}"
        )

    def check_shots(self, shots: Sequence[str]) -> None:
        """Whether the model can see frames of these shots, in any order.

        Raises:
            BadInput: It cannot; naming what it takes.
        """
        if not self.manifest.takes_shots(shots):
            takes = " or ".join(" ".join(allowed) for allowed in self.manifest.shot_sets)
            raise BadInput(f"shots {', '.join(shots)}: this bundle takes {takes}")

    def close(self) -> None:
        """Close its backends."""
        self.engines.close()

    def describe(self, engines: Collection[Engine] = ()) -> dict[str, Any]:
        """What every result says of its model: who it is, what ran it, and how far its numbers go.

        Args:
            engines: Who inferred; none: who would now. Of several, the one with the coarsest arithmetic speaks.
        """
        calibration = self.manifest.calibration
        engine = weakest(engines) if engines else self.engines.serving
        prior, sets = calibration.prior, calibration.class_sets
        widths = calibration.interval_half_width_z
        return {
            "name": self.manifest.name,
            "version": self.manifest.version,
            "sha256": self.sha256,
            "signed_by": self.signed_by,
            "classes": list(self.manifest.classes),
            "markers": list(self.manifest.markers),
            "backend": engine.backend,
            "device": engine.device,
            "precision": engine.precision,
            "engines": sorted(f"{one.backend} {one.precision}" for one in engines),
            "calibrated": calibration.status == "calibrated",
            "prior": None if prior is None else prior.model_dump(mode="json"),
            "class_coverage": None if sets is None else sets.coverage,
            "interval_coverage": calibration.known_coverage,
            "marker_unit": self.manifest.marker_unit,
            "marker_transform": self.manifest.marker_transform.model_dump(mode="json"),
            "interval_half_width_z": None if widths is None else list(widths),
            "ood_threshold": calibration.ood_threshold,
            "reject_threshold": calibration.reject_threshold,
        }


@contextmanager
def served_model(
    config: ModelConfig, measure: Measure | None = measure_apart
) -> Iterator[ServedModel]:
    """Load, verify and warm the configured model; closes the backend at the end.

    Args:
        config: Checked.
        measure: Measures the box where that was never done and can be kept; None: that is left to another start.

    Raises:
        BadBundle: See `verified_bundle`.
        BadConfig: See `opened_model`.
    """
    model = opened_model(verified_bundle(config), config, measure)
    try:
        yield model
    finally:
        model.close()


def verified_bundle(config: ModelConfig) -> Bundle:
    """The bundle that is configured; no backend has seen it yet.

    Raises:
        BadBundle: It is refused, or signed by none of the trusted keys.
        BadConfig: A key file is refused.
    """
    bundle = load_bundle(Path(config.bundle), read_trusted_keys(config.trusted_keys))
    signed_by = str(bundle.signed_by) if bundle.signed_by else None
    if config.trusted_keys:
        logger.info("bundle %s: signed by %s, a trusted key", bundle.identity, signed_by)
    else:
        said = (
            f"signed by key {signed_by}, which nothing says to trust" if signed_by else "unsigned"
        )
        logger.warning(
            "bundle %s: %s; model.trusted_keys would let only signed ones in", bundle.identity, said
        )
    return bundle


def opened_model(
    bundle: Bundle,
    config: ModelConfig,
    measure: Measure | None,
    streams: int | None = None,
    pace: Pace = full_speed,
) -> ServedModel:
    """A verified bundle on a backend: loaded, golden, and run once with a full batch.

    Args:
        bundle: Verified.
        config: Which backend, and how.
        measure: See `served_model`.
        streams: Calls at the same time, whatever was measured; None: as configured, or as measured.
        pace: How it loads, see `BackendOptions`; whatever takes over from it later loads at full speed.

    Raises:
        BadBundle: It does not give its golden outputs.
        BadConfig: The backend does not take the configured batch, or the engine cache is refused.
        EngineFault: No backend works.
    """
    _refuse_without_device(config)
    cache = opened_cache(config.engine_cache)
    tuned = tuning(bundle, config, cache, measure)
    max_batch = tuned.max_batch(config)
    fixed = config if streams is None else config.model_copy(update={"streams": streams})
    opener = BundleOpener(bundle, fixed, cache, tuned.rows, max_batch)
    before = runtime_threads()
    primary, batch_s = replace(opener, pace=pace).open(config.backend)
    threads = runtime_threads() - before
    choice = tuned.explain(primary.name, primary.precision, config.backend)
    logger.info("backend chosen: %s", choice)
    engines = Engines(
        primary,
        opener,
        fallbacks(primary.name, config.fallback),
        batch_s=batch_s,
        call_timeout_s=config.call_timeout_s,
    )
    signed_by = str(bundle.signed_by) if bundle.signed_by else None
    return ServedModel(
        bundle.manifest,
        bundle.sha256,
        engines,
        max_batch,
        signed_by,
        choice,
        threads,
        bundle.population,
    )


def _refuse_without_device(config: ModelConfig) -> None:
    """A backend that a driver must be there for is told so by its key, before anything of it is loaded."""
    if config.backend not in NEED_CUDA or config.backend == "torch":  # which also runs on a CPU
        return
    if (why := why_no_device()) is not None:
        cpu = ", ".join(repr(name) for name in AUTO_ORDER if name not in NEED_CUDA)
        raise EngineFault(
            f"model.backend: {config.backend!r}: {why}; allowed with a CUDA device, or 'auto', {cpu}"
        )


@dataclass(frozen=True, slots=True)
class BundleOpener:
    """Opens and tries backends of one verified bundle, as configured and, where nothing was, as measured."""

    bundle: Bundle
    config: ModelConfig
    cache: EngineCache | None = None
    measured: tuple[Measured, ...] = ()
    max_batch: int = UNMEASURED_BATCH
    pace: Pace = full_speed

    def open(self, name: str) -> tuple[Backend, float]:
        """See `Opener.open`."""
        config, batch = self.config, self.max_batch
        backend = open_backend(
            self.bundle,
            name,
            streams=config.streams or None,
            max_batch=batch,
            precision=config.precision,
            compile=config.compile,
            cache=self.cache,
            measured=self.measured,
            pace=self.pace,
        )
        try:
            if batch > backend.max_batch:
                raise BadConfig(
                    f"model.max_batch: {batch}: {backend.name} takes at most {backend.max_batch}"
                )
            began_s = time.monotonic()
            backend.infer(
                np.full((batch, 4, CROP_PX, CROP_PX), 0.5, np.float32),
                np.full((batch, 4), 0.5, np.float32),
            )
        except PhenostreamError:
            backend.close()
            raise
        return backend, time.monotonic() - began_s

    def test(self, backend: Backend) -> None:
        """See `Opener.test`."""
        golden_test(backend, self.bundle)
