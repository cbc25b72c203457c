"""What every backend is: loaded once from a verified bundle, then crops in and outputs out.

A backend knows one runtime and one graph. It knows nothing of frames, queues or clocks, and reads no file: the bundle
hands it the verified bytes.
"""

from typing import Protocol

from phenostream.engine.types import F32, Outputs


class Backend(Protocol):
    """One loaded model on one device.

    Attributes:
        name: Row of the visible table, such as ``openvino``.
        device: For a person, such as ``CPU (AMX)``.
        precision: ``fp32``, ``fp16``, ``bf16`` or ``int8``: which golden tolerance applies.
        streams: How many threads may be inside `infer` at the same time with profit; more callers wait.
        max_batch: Most crops one call accepts.
    """

    name: str
    device: str
    precision: str
    streams: int
    max_batch: int

    def infer(self, images: F32, background: F32) -> Outputs:
        """Run the graph. Blocks; releases the GIL; safe from several threads.

        Args:
            images: (N, 4, 28, 28) float32, C-contiguous, fraction of full scale, 1 <= N <= `max_batch`.
            background: (N, 4) float32.

        Returns:
            Outputs the caller owns (no view into a buffer that the next call overwrites).

        Raises:
            EngineFault: The runtime failed.
        """
        ...

    def close(self) -> None:
        """Release device and memory; calling it twice is harmless."""
        ...
