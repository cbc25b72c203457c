"""OpenVINO on the CPU: the default there; bf16 where the CPU computes it natively (AMX), else float32.

One infer request per stream; a caller takes a free stream or waits for one, and a batch that comes while others are
free is cut and runs in those too. Streams share no state, and a cell's outputs do not depend on the batch it is in.
"""

import hashlib
import logging
import queue
from typing import Any

import numpy as np

from phenostream.engine.backends.checked import INT8_TOLERANCE, LOGIT_TOLERANCE
from phenostream.engine.backends.openvino.compiling import (
    FILES,
    REWRITES,
    compile_model,
    computes_bf16,
    import_model,
)
from phenostream.engine.backends.openvino.library import import_openvino, openvino_core
from phenostream.engine.backends.openvino.pieces import cut, most_pieces, padded_sizes
from phenostream.engine.backends.openvino.stream import Stream, run_together
from phenostream.engine.backends.openvino.warm_up import warm_up
from phenostream.engine.backends.options import BackendOptions
from phenostream.engine.bundle import Bundle
from phenostream.engine.errors import BadConfig, EngineFault
from phenostream.engine.types import F32, OUTPUT_SHAPES, Outputs

logger = logging.getLogger(__name__)


class OpenVinoBackend:
    """See `Backend`. Loading raises `MissingPackage`, `BadConfig` or `EngineFault`."""

    name = "openvino"

    def __init__(self, bundle: Bundle, options: BackendOptions) -> None:
        self.streams = options.streams
        self.max_batch = options.max_batch
        openvino = import_openvino()
        core = openvino_core()
        self.precision: str = options.precision or ("bf16" if computes_bf16(core) else "fp32")
        there = [key for key, file in FILES.items() if file in bundle.files]
        if self.precision not in there:
            raise BadConfig(
                f"openvino: precision {self.precision!r} is not available, allowed {', '.join(there)}"
            )
        self.device = f"CPU ({core.get_property('CPU', 'FULL_DEVICE_NAME')})"
        try:
            content = bundle.files[FILES[self.precision]]
            with options.pace():
                compiled = self._compiled(openvino, core, content, options)
        except Exception as err:  # the runtime raises its own unrelated types
            raise EngineFault(f"openvino: cannot load the model: {_line(err)}") from err
        self._closed = False
        self._idle: queue.SimpleQueue[Stream] = queue.SimpleQueue()
        streams = [Stream(openvino, compiled) for _ in range(options.streams)]
        self._warm_up(streams, bundle, options)
        for stream in streams:
            self._idle.put(stream)

    def infer(self, images: F32, background: F32) -> Outputs:
        """Run the graph in a free stream, or in all that are; see `Backend.infer`."""
        if self._closed:
            raise EngineFault("openvino: used after close")
        streams = self._free(most_pieces(len(images)))
        try:
            columns = _run(streams, images, background)
        except Exception as err:  # the runtime raises its own unrelated types
            raise EngineFault(f"openvino: {_line(err)}") from err
        finally:
            for stream in streams:
                self._idle.put(stream)
        return Outputs(*columns)

    def close(self) -> None:
        """Drop the compiled model's idle streams."""
        self._closed = True
        while not self._idle.empty():
            self._idle.get()

    def _compiled(self, openvino: Any, core: Any, content: bytes, options: BackendOptions) -> Any:
        """The compiled model, from the cache where it has it."""
        cache = options.cache
        if cache is None:
            return compile_model(openvino, core, content, self.precision, options)
        facts: dict[str, str | int] = {
            "model": hashlib.sha256(content).hexdigest(),
            "library": f"openvino {openvino.get_version()}",
            "rewrites": REWRITES,
            "device": self.device,
            "precision": self.precision,
            "streams": options.streams,
            "threads": options.threads,
        }
        kept = cache.get(facts)
        if kept is not None:
            try:
                return import_model(core, b"".join(kept), self.precision, options)
            except Exception as err:  # the runtime raises its own unrelated types
                logger.warning("openvino: a kept engine is not taken: %s", _line(err))
                cache.drop(facts)
        compiled = compile_model(openvino, core, content, self.precision, options)
        cache.put(facts, [compiled.export_model().getvalue()])
        return compiled

    def _warm_up(self, streams: list[Stream], bundle: Bundle, options: BackendOptions) -> None:
        precision = self.precision
        tolerance = INT8_TOLERANCE if precision == "int8" else LOGIT_TOLERANCE[precision]
        sizes = padded_sizes(options.max_batch)
        try:
            warm_up(streams, bundle.golden.crops, sizes, tolerance, options.pace)
        except EngineFault:
            raise
        except Exception as err:  # the runtime raises its own unrelated types
            raise EngineFault(f"openvino: cannot run the model: {_line(err)}") from err

    def _free(self, most: int) -> list[Stream]:
        """One stream, waited for, and up to `most` in all without waiting."""
        streams = [self._idle.get()]
        while len(streams) < most:
            try:
                streams.append(self._idle.get_nowait())
            except queue.Empty:
                break
        return streams


def _run(streams: list[Stream], images: F32, background: F32) -> list[F32]:
    """Owned columns in the order of `OUTPUT_SHAPES`; raises what the runtime raises, when no stream runs any more."""
    count = len(images)
    columns = [np.empty((count, *shape), np.float32) for shape in OUTPUT_SHAPES.values()]
    pieces = cut(count, len(streams))
    if len(streams) == 1:
        for piece in pieces:
            streams[0].run(piece, images, background)
            streams[0].write(piece, columns)
        return columns
    for at in range(0, len(pieces), len(streams)):
        together = list(zip(streams, pieces[at : at + len(streams)], strict=False))
        run_together(together, images, background)
        for stream, piece in together:
            stream.write(piece, columns)
    return columns


def _line(err: Exception) -> str:
    return " ".join(str(err).split())[:200]
