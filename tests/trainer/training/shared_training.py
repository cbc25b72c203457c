"""One training without dropout, as torchrun's process: what it leaves is compared between one process and two.

torchrun --nproc-per-node 2 tests/trainer/training/shared_training.py FOLDER
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from phenostream.trainer.network.layers import Attention
from phenostream.trainer.training.distributed import joined
from phenostream.trainer.training.fit import fit
from phenostream.trainer.training.settings import TrainSettings
from phenostream.trainer.training.train import fresh_graph
from tests.trainer.training.blob_cells import blobs


def train_shared(folder: Path) -> None:
    """Three steps of a global batch of eight; process 0 writes the weights."""
    torch.set_num_threads(1)
    settings = TrainSettings(out=folder, epochs=1, batch=8, precision="fp32", device="cpu")
    train = blobs(24, 0)
    torch.manual_seed(3)
    graph, _ = fresh_graph(settings, train)
    for module in graph.modules():
        if isinstance(module, nn.Dropout | nn.Dropout2d):
            module.p = 0.0
        elif isinstance(module, Attention):
            module.dropout = 0.0
    with joined() as world:
        score = fit(graph, train, blobs(24, 1), settings)
        if world.first:
            state = {name: value.contiguous() for name, value in graph.state_dict().items()}
            save_file(state, folder / "end.safetensors", {"loss": repr(score.loss)})


if __name__ == "__main__":
    train_shared(Path(sys.argv[1]))
