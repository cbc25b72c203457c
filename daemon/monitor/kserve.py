"""The server and its model in the words of KServe's Open Inference Protocol v2, for probes and platforms that speak it.

Only what tells: cells come in streamed frames, not in `infer` requests, which are answered 404. Tensors are those of
the bundle's graph. Source: the protocol's text, github.com/kserve/open-inference-protocol.
"""

from collections.abc import Mapping
from importlib import metadata
from typing import Any

from phenostream.daemon.monitor.reading import table
from phenostream.engine.types import CROP_PX, OUTPUT_SHAPES, SHOTS


def server() -> dict[str, Any]:
    """Of this server."""
    return {"name": "phenostream", "version": metadata.version("phenostream"), "extensions": []}


def model(card: Mapping[str, Any]) -> dict[str, Any]:
    """Of the model that serves.

    Args:
        card: The daemon's answer to `model`.
    """
    said = {key: card.get(key) for key in ("sha256", "device", "precision", "calibrated")}
    return {
        "name": card.get("name"),
        "versions": [card.get("version")],
        "platform": f"phenostream_{card.get('backend')}",
        "inputs": [
            _tensor("crops", (len(SHOTS), CROP_PX, CROP_PX)),
            _tensor("background", (len(SHOTS),)),
        ],
        "outputs": [_tensor(name, shape) for name, shape in OUTPUT_SHAPES.items()],
        "parameters": {**said, "synthetic": table(card, "manifest").get("synthetic")},
    }


def _tensor(name: str, shape: tuple[int, ...]) -> dict[str, Any]:
    return {"name": name, "datatype": "FP32", "shape": [-1, *shape]}
