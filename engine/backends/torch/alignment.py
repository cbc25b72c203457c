"""Widen convolutions whose channels do not fill a tensor core, without changing what the graph computes.

The published network has branches of 42 and 44 channels. In float16 the convolution library pads such tensors to a
multiple of 8 on every call; here the weights are padded once. A padded channel has zero weights and zero bias, stays
zero through GELU (GELU(0) = 0), and meets only zero weights in the next convolution. What it gave on a GPU:
`docs/measurements/gpu.md`.
"""

from typing import Final, cast

import torch
from torch import Tensor, fx

from phenostream.engine.backends.torch.operators import concat, conv, gelu

_MULTIPLE: Final = 8
"""Channels of one access of 16 bytes in float16, the least a tensor core takes."""
_PAD: Final = -1

Layout = tuple[int, ...]
"""For each channel of a value: which channel of the original it holds, or `_PAD`."""


def align_channels(module: fx.GraphModule) -> fx.GraphModule:
    """Widen the module's two-dimensional convolutions, in place; returns it.

    A value that leaves the convolutions, GELUs, concatenations and sums gets its own channels back first.
    """
    _Aligner(module).run()
    module.graph.eliminate_dead_code()
    read = {node.target for node in module.graph.find_nodes(op="get_attr")}
    for name in [name for name, _ in module.named_buffers() if name not in read]:
        delattr(module, name)
    module.recompile()
    return module


class _Aligner:
    def __init__(self, module: fx.GraphModule) -> None:
        self._module = module
        self._graph = module.graph
        self._layouts: dict[fx.Node, Layout] = {}

    def run(self) -> None:
        for node in list(self._graph.nodes):
            if node.op == "output" or node.op == "call_function":
                layout = self._take(node)
                if layout is not None:
                    self._layouts[node] = layout

    def _take(self, node: fx.Node) -> Layout | None:
        """The layout of a node's result; None for one that is none of ours, which then reads original channels."""
        inputs = list(node.all_input_nodes)
        if node.target is conv and self._is_plain(node):
            return self._widen(node)
        if node.target is gelu and inputs[0] in self._layouts:
            return self._layouts[inputs[0]]
        if node.target is concat and node.kwargs["axis"] == 1:
            layout = self._joined(inputs)
            if layout is not None:
                return layout
        if node.target is torch.add and len(inputs) == 2:
            layout = self._summed(*inputs)
            if layout is not None:
                return layout
        for value in inputs:
            self._restore(value, node)
        return None

    def _is_plain(self, node: fx.Node) -> bool:
        return self._weight(node, 1).dim() == 4 and bool(node.kwargs["group"] == 1)

    def _widen(self, node: fx.Node) -> Layout:
        source = node.all_input_nodes[0]
        if source in self._layouts:
            self._lay_out(node, 1, self._layouts[source], axis=1)
        count = len(self._weight(node, 1))
        layout = (*range(count), *[_PAD] * (-count % _MULTIPLE))
        self._lay_out_results(node, layout)
        return layout

    def _joined(self, inputs: list[fx.Node]) -> Layout | None:
        if not all(value in self._layouts for value in inputs):
            return None
        joined: list[int] = []
        for value in inputs:
            layout, offset = self._layouts[value], sum(place != _PAD for place in joined)
            joined += [place if place == _PAD else place + offset for place in layout]
        return tuple(joined)

    def _summed(self, one: fx.Node, other: fx.Node) -> Layout | None:
        """Of two values: as laid out already, or as the one is once the other's convolution was laid out alike."""
        first, second = self._layouts.get(one), self._layouts.get(other)
        if first is None or second is None or first == second:
            return first if first == second else None
        for follower, leader in ((other, first), (one, second)):
            own = self._layouts[follower]
            alone = follower.target is conv and len(follower.users) == 1 and _PAD not in own
            if alone and len(own) == len([place for place in leader if place != _PAD]):
                self._lay_out_results(follower, leader)
                return leader
        return None

    def _restore(self, value: fx.Node, reader: fx.Node) -> None:
        """Have `reader` see the original channels of `value`."""
        layout = self._layouts.get(value)
        if layout is None or _PAD not in layout:
            return
        places = sorted((place, index) for index, place in enumerate(layout) if place != _PAD)
        kept = torch.tensor([index for _, index in places])
        with self._graph.inserting_before(reader):
            index = self._constant(kept)
            chosen = self._graph.call_function(torch.index_select, (value, 1, index))
        reader.replace_input_with(value, chosen)

    def _lay_out_results(self, node: fx.Node, layout: Layout) -> None:
        """Have a convolution give its channels as `layout` says."""
        self._lay_out(node, 1, layout, axis=0)
        if len(node.args) > 2 and node.args[2] is not None:
            self._lay_out(node, 2, layout, axis=0)

    def _lay_out(self, node: fx.Node, place: int, layout: Layout, axis: int) -> None:
        weight = self._weight(node, place)
        if layout == tuple(range(weight.shape[axis])):
            return
        places = torch.tensor(layout)
        shape = [1] * weight.dim()
        shape[axis] = len(layout)
        chosen = weight.index_select(axis, places.clamp(min=0))
        with self._graph.inserting_before(node):
            padded = chosen.masked_fill((places == _PAD).reshape(shape), 0.0)
            node.update_arg(place, self._constant(padded))

    def _weight(self, node: fx.Node, place: int) -> Tensor:
        weight: Tensor = self._module.get_buffer(str(cast(fx.Node, node.args[place]).target))
        return weight

    def _constant(self, value: Tensor) -> fx.Node:
        name = f"aligned_{len(list(self._module.buffers()))}"
        self._module.register_buffer(name, value)
        return self._graph.get_attr(name)
