"""How far another arithmetic moves what is watched: `python -m tests.deploy.measure_drift_precision`.

The same simulated frames through the demo bundle in other precisions, against float32. Synthetic.
"""

from pathlib import Path
from typing import Final

from phenostream.deploy.bench.drift import frame_values_of, summed
from phenostream.deploy.bundles import bundle_path
from phenostream.deploy.microscope import cache_folder
from phenostream.deploy.model_frames import StreamSettings
from phenostream.engine.backends.registry import open_backend
from phenostream.engine.bundle import Bundle, load_bundle
from phenostream.engine.drift.quantities import Tolerances, quantities_of
from phenostream.engine.drift.shifts import shifts
from phenostream.engine.drift.sums import Sums
from phenostream.engine.manifest import Precision
from phenostream.engine.summary.context import SummaryContext

FRAMES: Final = 30
WAYS: Final[tuple[tuple[str, Precision], ...]] = (
    ("onnxruntime", "fp32"),
    ("onnxruntime", "fp16"),
    ("openvino", "bf16"),
    ("openvino", "int8"),
)


def main() -> None:
    """Print the table."""
    bundle = load_bundle(bundle_path("demo"))
    quantities = quantities_of(SummaryContext.of(bundle.manifest, simulated_cells=True))
    told = {way: sums_in(bundle, *way, cache_folder()) for way in WAYS}
    for way, sums in told.items():
        largest: dict[str, float] = {}
        for one in shifts(told[WAYS[0]], sums, quantities, Tolerances()):
            kind = one.quantity.kind
            largest[kind] = max(largest.get(kind, 0.0), abs(one.difference))
        said = ", ".join(f"{kind} {value:.4f}" for kind, value in largest.items())
        print(f"{way[0]} {way[1]}: largest shift from float32: {said}")  # noqa: T201


def sums_in(bundle: Bundle, name: str, precision: Precision, cache: Path) -> Sums:
    """What some frames add up to on a backend."""
    backend = open_backend(bundle, name, streams=1, precision=precision)
    try:
        return summed(frame_values_of(bundle, backend, cache, StreamSettings(), FRAMES))
    finally:
        backend.close()


if __name__ == "__main__":
    main()
