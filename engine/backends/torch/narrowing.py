"""From a graph that computes partly in float16 to one that computes there in bfloat16, with float32's weights.

bfloat16 rounds eight times as coarsely as float16, too coarsely for a sum that goes through the whole network. So only
convolutions and matrix products are narrow here, and what follows them directly; normalisations, softmax and sigmoid
are float32, and so is what one of them is added to or multiplied with.
Where the float16 graph is float32 already, nothing changes.
"""

from typing import Final, cast

import torch
from torch import Tensor, fx

from phenostream.engine.backends.torch.graph import LABEL
from phenostream.engine.backends.torch.operators import (
    BFLOAT16,
    DTYPES,
    FLOAT32,
    cast_to,
    conv,
    gemm,
    layer_normalization,
    softmax,
)

_CODES: Final = {torch.float32: FLOAT32, torch.bfloat16: BFLOAT16}
_PRODUCTS: Final = (conv, gemm, torch.matmul)
_SENSITIVE: Final = (layer_normalization, softmax, torch.sigmoid)


def to_bfloat16(module: fx.GraphModule, wide: fx.GraphModule) -> fx.GraphModule:
    """Rewrite the float16 part, in place; returns the module.

    Args:
        module: Of the float16 file.
        wide: Of the same graph's float32 file: it gives the weights.
    """
    _Narrower(module, wide).run()
    module.recompile()
    return module


class _Narrower:
    def __init__(self, module: fx.GraphModule, wide: fx.GraphModule) -> None:
        self._module = module
        self._graph = module.graph
        self._wide = {
            node.meta[LABEL]: wide.get_buffer(str(node.target))
            for node in wide.graph.find_nodes(op="get_attr")
        }
        self._types: dict[fx.Node, torch.dtype] = {}
        """Of every value that lies in the float16 part."""

    def run(self) -> None:
        for node in list(self._graph.nodes):
            if node.op == "get_attr":
                self._widen(node)
            elif node.op == "call_function":
                self._rewrite(node)

    def _widen(self, node: fx.Node) -> None:
        name = str(node.target)
        own = self._module.get_buffer(name)
        if own.dtype is torch.float16:
            self._module.register_buffer(name, self._finer(node.meta[LABEL], own))
            if own.dim():  # a scalar takes the type of what it meets
                self._types[node] = torch.float32

    def _finer(self, label: str, own: Tensor) -> Tensor:
        """A weight in float32; the files' constants have numbers for names, which may mean another one there."""
        finer = self._wide.get(label)
        if finer is None or finer.shape != own.shape or not torch.equal(finer.to(own.dtype), own):
            return own.float()
        return finer

    def _rewrite(self, node: fx.Node) -> None:
        if node.target is cast_to:
            if DTYPES[cast(int, node.kwargs["to"])] is torch.float16:
                node.update_kwarg("to", FLOAT32)
                self._types[node] = torch.float32
            return
        inside = [value for value in node.all_input_nodes if value in self._types]
        if not inside:
            return
        if node.target in _PRODUCTS:
            wanted: torch.dtype | None = torch.bfloat16
        else:
            wanted = torch.float32 if node.target in _SENSITIVE else None
        if wanted is not None:
            for value in inside:
                self._cast(value, node, wanted)
        widest = torch.float32 in {self._types[value] for value in inside}
        self._types[node] = wanted or (torch.float32 if widest else torch.bfloat16)

    def _cast(self, value: fx.Node, reader: fx.Node, wanted: torch.dtype) -> None:
        """Have `reader` see `value` in a type; a weight is rounded once, here."""
        if self._types[value] is wanted:
            return
        if value.op == "get_attr":
            name = f"{value.target}_narrow"
            self._module.register_buffer(
                name, self._module.get_buffer(str(value.target)).to(wanted)
            )
            with self._graph.inserting_before(reader):
                seen = self._graph.get_attr(name)
        else:
            with self._graph.inserting_before(reader):
                seen = self._graph.call_function(cast_to, (value,), {"to": _CODES[wanted]})
        self._types[seen] = wanted
        reader.replace_input_with(value, seen)
