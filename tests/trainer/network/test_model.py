from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

from phenostream.trainer.network.layers import DifferentialPhase  # noqa: E402
from phenostream.trainer.network.model import PARAMETERS, HybridNetwork, Phenotyper  # noqa: E402
from phenostream.trainer.network.network_options import NetworkOptions  # noqa: E402
from phenostream.trainer.published.checkpoint_layout import load_published  # noqa: E402
from phenostream.trainer.training.settings import TrainSettings  # noqa: E402

PARITY = Path(__file__).parents[3] / ".." / "shared" / "parity"
needs_parity = pytest.mark.skipif(not PARITY.is_dir(), reason="../shared/parity is absent")


def test_the_network_has_the_published_number_of_parameters() -> None:
    network = HybridNetwork()
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS == 1_816_244
    assert sum(buffer.numel() for buffer in network.buffers()) == 1_892


def test_the_heads_of_our_own_stay_outside_the_published_names() -> None:
    names = Phenotyper().state_dict()
    assert {name.split(".")[0] for name in names} == {"network", "reject", "spread"}


@pytest.mark.parametrize(
    ("changed", "parameters"),
    [
        ({"channel_attention": False}, PARAMETERS - 3),
        ({"task_gating": False}, 1_289_908),  # SPEC b
        ({"cnn": False}, PARAMETERS - 446_568 - 192 * 256 - 256 - 2),
        ({"vit": False}, PARAMETERS - 411_648 - 128 * 256 - 256 - 2),
        ({"tasks": "classes"}, PARAMETERS - 526_336 - 132_608 - 41_796),
        ({"tasks": "markers"}, PARAMETERS - 526_336 - 132_608 - 41_731),
        ({"inputs": "dpc"}, PARAMETERS + 2 * (64 * 9 + 128 * 16)),
        ({"fusion": "gate"}, PARAMETERS - 2 + 512 * 256 + 256),
        ({"norm": "group"}, PARAMETERS),
    ],
)
def test_every_option_adds_and_removes_exactly_its_own_weights(
    changed: dict[str, Any], parameters: int
) -> None:
    network = HybridNetwork(NetworkOptions.model_validate(changed)).eval()
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    with torch.inference_mode():
        logits, z, feature = network(torch.rand(2, 4, 28, 28) - 0.5)
    assert [tuple(out.shape) for out in (logits, z, feature)] == [(2, 3), (2, 4), (2, 256)]
    assert bool((logits == 0).all()) == (changed.get("tasks") == "markers")
    assert bool((z == 0).all()) == (changed.get("tasks") == "classes")


@pytest.mark.parametrize(
    ("changed", "parameters"),
    [
        ({"inputs": "rgb", "crop_px": 128}, 1_938_420),  # SPEC e
        ({"inputs": "single"}, PARAMETERS - 3 * (64 * 9 + 128 * 16)),
        ({"inputs": "single", "crop_px": 64}, PARAMETERS - 3 * (64 * 9 + 128 * 16) + 207 * 128),
    ],
)
def test_the_same_network_takes_pictures_of_other_planes_and_sides(
    changed: dict[str, Any], parameters: int
) -> None:
    options = NetworkOptions.model_validate(changed)
    network = HybridNetwork(options).eval()
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    with torch.inference_mode():
        logits, _, _ = network(torch.rand(1, options.channels, options.crop_px, options.crop_px))
    assert tuple(logits.shape) == (1, 3)
    with pytest.raises(ValueError, match="allowed inputs shots, dpc and crop_px 28"):
        TrainSettings(out=Path("out"), network=options)


def test_a_network_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="one branch must stay"):
        NetworkOptions(cnn=False, vit=False)
    with pytest.raises(ValueError, match="needs both branches"):
        NetworkOptions(cnn=False, fusion="gate")
    assert NetworkOptions().without("vit") == NetworkOptions(vit=False)


def test_differential_phase_does_not_see_the_lamp() -> None:
    light = 0.2 + torch.rand(3, 4, 28, 28)
    planes = DifferentialPhase()(light - 1)
    left, right, top, bottom = light.unbind(1)
    assert torch.allclose(planes[:, 4], (left - right) / (left + right), atol=1e-5)
    assert torch.allclose(planes[:, 5], (top - bottom) / (top + bottom), atol=1e-5)
    assert torch.allclose(DifferentialPhase()(3 * light - 1)[:, 4:], planes[:, 4:], atol=1e-5)


def test_the_spread_head_gives_the_network_no_gradient() -> None:
    phenotyper = Phenotyper()
    torch.autograd.backward(phenotyper(torch.rand(4, 4, 28, 28)).marker_log_sd.sum())
    assert all(parameter.grad is None for parameter in phenotyper.network.parameters())
    assert all(parameter.grad is not None for parameter in phenotyper.spread.parameters())


@needs_parity
def test_published_weights_give_the_published_outputs() -> None:
    network = HybridNetwork().eval()
    network.load_state_dict(load_published(PARITY / "published_layout.pth"), strict=True)
    with np.load(PARITY / "reference.npz") as reference, torch.inference_mode():
        logits, z, feature = network(torch.from_numpy(reference["x"]))
        assert np.abs(logits.numpy() - reference["class_logits"]).max() <= 1e-4
        assert np.abs(z.numpy() - reference["marker_z"]).max() <= 1e-4
        assert feature.shape == (32, 256)
