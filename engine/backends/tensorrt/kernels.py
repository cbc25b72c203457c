"""What TensorRT-RTX compiled for the GPU at hand while it loaded a plan, kept for the next start.

Its plans are of no particular GPU: kernels are compiled when shapes are met, which is at every start anew unless they
are kept. TensorRT itself compiles them into the plan and has nothing to keep here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phenostream.engine.backends.driver import DeviceFacts
from phenostream.engine.backends.tensorrt.program import Program
from phenostream.engine.engine_cache import EngineCache, Facts


@dataclass(frozen=True, slots=True)
class KeptKernels:
    """Kernels of one plan on one GPU, for one set of batch sizes.

    Attributes:
        cache: Where they are kept; None: nowhere.
        facts: What they are of.
    """

    cache: EngineCache | None
    facts: Facts

    @staticmethod
    def of(
        cache: EngineCache | None,
        plan: Mapping[str, str | int],
        device: DeviceFacts,
        batches: Sequence[int],
    ) -> "KeptKernels":
        """Those of a plan, by the facts that it is kept under."""
        facts = {
            **plan,
            "kind": "kernels",
            "gpu": f"{device.name}, compute capability {device.compute_capability}",
            "driver": device.driver_version,
            "batches": ",".join(map(str, batches)),
        }
        return KeptKernels(cache, facts)

    def content(self) -> bytes | None:
        """What an earlier start kept; None: nothing that can be believed. Raises as `EngineCache.get`."""
        kept = self.cache.get(self.facts) if self.cache is not None else None
        return kept[0] if kept else None

    def keep(self, program: Program) -> None:
        """Keep what the program compiled, unless it had all of it from an earlier start."""
        compiled = program.compiled()
        if self.cache is not None and compiled is not None:
            self.cache.put(self.facts, [compiled])
