"""From a torch graph to the bytes of one ONNX file.

Knows torch's exporter and its quirks; does not know bundles. The file is self-contained, has float32 edges and a
dynamic batch axis, names the normalised input inside the graph, and holds nothing of the machine that made it.
"""

import copy
import logging
import warnings
from typing import Final

import onnx
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from phenostream.engine.backends.openvino.compiling import NORMALISED
from phenostream.engine.errors import EngineFault
from phenostream.engine.types import CROP_PX, OUTPUT_SHAPES
from phenostream.trainer.network.graph import BundleGraph

_OPSET: Final = 20


def fold_batchnorm(graph: BundleGraph) -> BundleGraph:
    """A copy in evaluation mode with each batch normalisation folded into the convolution before it."""
    folded = copy.deepcopy(graph).eval()
    for module in list(folded.modules()):
        if not isinstance(module, nn.Sequential):
            continue
        for index in range(len(module) - 1):
            conv, norm = module[index], module[index + 1]
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                module[index] = fuse_conv_bn_eval(conv, norm)
                module[index + 1] = nn.Identity()
    return folded


def to_onnx(graph: BundleGraph) -> bytes:
    """One self-contained ONNX file with a dynamic batch axis and no trace of the machine that made it."""
    example = (torch.full((2, 4, CROP_PX, CROP_PX), 0.4), torch.full((2, 4), 0.4))
    batch = torch.export.Dim("batch", min=1, max=4096)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns that torchvision is absent
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about its own internals
        program = torch.onnx.export(
            _WithNormalised(graph.eval()),
            example,
            dynamo=True,
            opset_version=_OPSET,
            input_names=["images", "background"],
            output_names=[*OUTPUT_SHAPES, NORMALISED],
            dynamic_shapes=({0: batch}, {0: batch}),
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise EngineFault("the ONNX exporter returned nothing")
    model = program.model_proto
    del model.graph.output[len(OUTPUT_SHAPES) :]  # the name stays, on a value inside the graph
    _strip(model)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


class _WithNormalised(nn.Module):
    """The graph with its normalised input as a ninth output, so that the export gives that value a name."""

    def __init__(self, graph: BundleGraph) -> None:
        super().__init__()
        self.whole = graph

    def forward(self, images: Tensor, background: Tensor) -> tuple[Tensor, ...]:
        normalised = self.whole.preprocess(images, background)
        return (*self.whole.from_normalised(normalised), normalised)


def _strip(model: onnx.ModelProto) -> None:
    """Drop stack traces and source paths, which change from machine to machine."""
    model.doc_string = ""
    del model.metadata_props[:]
    del model.functions[:]
    graph = model.graph
    graph.doc_string = ""
    for part in (
        graph,
        *graph.node,
        *graph.initializer,
        *graph.value_info,
        *graph.input,
        *graph.output,
    ):
        del part.metadata_props[:]
        part.doc_string = ""
