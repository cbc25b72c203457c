"""One batch size made ready to run: a context bound to its memory, captured into a graph, and the graph run once.

The library is run before it is captured: it settles what it put off in the first run, which cannot be captured. A graph
keeps every address and the context's state of that moment, so that neither may change or die before it.
"""

from collections.abc import Mapping
from typing import Final

from phenostream.engine.backends.tensorrt.gpu import Gpu, Graph, Memory, Stream
from phenostream.engine.backends.tensorrt.program import Context

_WARM_UP_RUNS: Final = 2
"""One settles shapes and loads kernels; the second shows that a run after it needs nothing more."""


def captured(
    gpu: Gpu, context: Context, stream: Stream, scratch: Memory, addresses: Mapping[str, int]
) -> Graph:
    """The graph of one run of a context.

    Args:
        gpu: Its context is current.
        context: Not bound yet; must outlive the graph, as must all that it is bound to.
        stream: Where it was shaped, and where the graph will be launched; nothing else is enqueued there.
        scratch: At least `Context.scratch_bytes`.
        addresses: Of every input and output.

    Returns:
        The graph, launched once: the device has it from now on.

    Raises:
        EngineFault: The library or the device refused.
        OutOfMemory: The device has no room for the graph.
    """
    context.bind(scratch, addresses)
    for _ in range(_WARM_UP_RUNS):
        context.enqueue(stream)
    stream.synchronize()
    context.check_capturable(stream)
    graph = gpu.captured(stream, lambda: context.enqueue(stream))
    try:
        graph.launch(stream)
        stream.synchronize()
    except BaseException:
        graph.close()
        raise
    return graph
