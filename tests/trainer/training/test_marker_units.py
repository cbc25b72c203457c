"""A marker's residual may be judged in units of its class' own spread."""

import pytest
import torch

from phenostream.trainer.network.model import RawOutputs
from phenostream.trainer.training.losses import LossWeights, Targets, marker_loss, total_loss
from phenostream.trainer.training.recipe import within_class_sd


@pytest.fixture
def targets() -> Targets:
    """Two classes whose first marker varies by 0.5 and by 0.01 about far means, and a red cell."""
    kind = torch.tensor([0] * 100 + [1] * 100 + [3])
    z = torch.zeros(201, 4)
    z[:100, 0] = 1.0 + 0.5 * torch.linspace(-1, 1, 100)
    z[100:200, 0] = -1.0 + 0.01 * torch.linspace(-1, 1, 100)
    mask = (kind < 3)[:, None].expand(201, 4).clone()
    mask[:, 3] = False
    return Targets(kind, z, mask)


def _raw(marker_z: torch.Tensor) -> RawOutputs:
    rows = len(marker_z)
    return RawOutputs(
        torch.zeros(rows, 3), marker_z, torch.zeros(rows), torch.zeros(rows, 256), marker_z * 0
    )


def test_units_are_the_spread_within_a_class_between_a_quarter_and_one(targets: Targets) -> None:
    units = within_class_sd(targets)
    assert units[0, 0] == pytest.approx(float(targets.marker_z[:100, 0].std()))
    assert units[1, 0] == 0.25
    assert (units[2] == 1).all()
    assert (units[:, 3] == 1).all()


def test_a_residual_counts_in_units_of_its_class(targets: Targets) -> None:
    units = torch.full((3, 4), 1.0)
    units[1, 0] = 0.25
    weights = LossWeights(classes=0, markers=1, reject=0, spread=0)
    said = targets.marker_z.clone()
    said[100, 0] += 0.1
    plain = total_loss(_raw(said), targets, weights)
    scaled = total_loss(
        _raw(said),
        targets,
        LossWeights(classes=0, markers=1, reject=0, spread=0, marker_unit=units),
    )
    assert scaled == pytest.approx(16 * float(plain), rel=1e-4)


def test_units_of_one_change_nothing(targets: Targets) -> None:
    said = targets.marker_z + 0.3
    weights = LossWeights(classes=0, markers=1, reject=0, spread=0, marker_unit=torch.ones(3, 4))
    expected = marker_loss(said, targets.marker_z, targets.marker_mask)
    torch.testing.assert_close(total_loss(_raw(said), targets, weights), expected)
