from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

from phenostream.trainer.model import PARAMETERS, HybridNetwork, Phenotyper  # noqa: E402
from phenostream.trainer.published.checkpoint_layout import load_published  # noqa: E402

PARITY = Path(__file__).parents[2] / ".." / "shared" / "parity"
needs_parity = pytest.mark.skipif(not PARITY.is_dir(), reason="../shared/parity is absent")


def test_the_network_has_the_published_number_of_parameters() -> None:
    network = HybridNetwork()
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS == 1_816_244
    assert sum(buffer.numel() for buffer in network.buffers()) == 1_892


def test_the_reject_head_stays_outside_the_published_names() -> None:
    names = Phenotyper().state_dict()
    assert {name.split(".")[0] for name in names} == {"network", "reject"}


@needs_parity
def test_published_weights_give_the_published_outputs() -> None:
    network = HybridNetwork().eval()
    network.load_state_dict(load_published(PARITY / "published_layout.pth"), strict=True)
    with np.load(PARITY / "reference.npz") as reference, torch.inference_mode():
        logits, z, feature = network(torch.from_numpy(reference["x"]))
        assert np.abs(logits.numpy() - reference["class_logits"]).max() <= 1e-4
        assert np.abs(z.numpy() - reference["marker_z"]).max() <= 1e-4
        assert feature.shape == (32, 256)
