import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

from phenostream.trainer.network.model import RawOutputs  # noqa: E402
from phenostream.trainer.training.losses import (  # noqa: E402
    LossWeights,
    Targets,
    class_loss,
    marker_loss,
    reject_loss,
    spread_loss,
    total_loss,
)


def test_rows_without_any_marker_change_nothing() -> None:
    predicted, target = torch.randn(6, 4), torch.randn(6, 4)
    mask = torch.rand(6, 4) > 0.3
    mask[[1, 4]] = False
    kept = torch.tensor([0, 2, 3, 5])
    whole = marker_loss(predicted, target, mask)
    assert torch.allclose(whole, marker_loss(predicted[kept], target[kept], mask[kept]))


def test_masked_targets_may_be_anything() -> None:
    predicted = torch.randn(5, 4, requires_grad=True)
    target, mask = torch.zeros(5, 4), torch.ones(5, 4, dtype=torch.bool)
    mask[2:] = False
    target[2:] = float("nan")
    loss = marker_loss(predicted, target, mask)
    torch.autograd.backward(loss)
    assert torch.isfinite(loss)
    assert predicted.grad is not None
    assert torch.all(predicted.grad[2:] == 0)
    assert torch.all(predicted.grad[:2] != 0)


def test_a_batch_without_white_cells_or_markers_has_a_finite_loss() -> None:
    raw = RawOutputs(
        torch.randn(3, 3, requires_grad=True),
        torch.randn(3, 4, requires_grad=True),
        torch.zeros(3, requires_grad=True),
        torch.zeros(3, 256),
        torch.zeros(3, 4),
    )
    targets = Targets(
        torch.tensor([3, 4, 5]), torch.zeros(3, 4), torch.zeros(3, 4, dtype=torch.bool)
    )
    loss = total_loss(raw, targets, LossWeights(reject=1.0))
    torch.autograd.backward(loss)
    assert float(loss.detach()) == pytest.approx(0.6931, abs=1e-3)
    assert raw.class_logits.grad is not None
    assert torch.all(raw.class_logits.grad == 0)


def test_each_marker_counts_alike_however_rare_its_targets() -> None:
    predicted, target = torch.zeros(10, 4), torch.zeros(10, 4)
    target[0, 0], target[:, 1] = 2.0, 2.0
    mask = torch.zeros(10, 4, dtype=torch.bool)
    mask[0, 0], mask[:, 1] = True, True
    assert float(marker_loss(predicted, target, mask)) == pytest.approx(1.5)


def test_the_class_loss_is_the_published_mixture() -> None:
    logits, kind = torch.tensor([[2.0, 0.0, -1.0]]), torch.tensor([0])
    log_p = torch.log_softmax(logits, 1)[0]
    nll = -float(log_p[0])
    focal = (1 - 2.718281828 ** (-nll)) ** 2 * nll
    smooth = 0.9 * nll - 0.1 * float(log_p.mean())
    assert float(class_loss(logits, kind)) == pytest.approx(0.7 * focal + 0.3 * smooth, rel=1e-5)


def test_the_reject_loss_tells_white_cells_from_the_rest() -> None:
    sure = torch.tensor([-9.0, -9.0, 9.0])
    assert float(reject_loss(sure, torch.tensor([0, 2, 3]))) < 1e-3
    assert float(reject_loss(sure, torch.tensor([3, 4, 0]))) > 8


def test_the_spread_loss_is_least_at_the_residuals_own_spread() -> None:
    torch.manual_seed(0)
    target = torch.randn(4000, 4) * torch.tensor([0.3, 0.5, 1.0, 2.0])
    predicted, mask = torch.zeros(4000, 4), torch.rand(4000, 4) > 0.5
    log_sd = torch.zeros(4, requires_grad=True)
    optimiser = torch.optim.Adam([log_sd], lr=0.05)
    for _ in range(200):
        optimiser.zero_grad()
        loss = spread_loss(log_sd.expand(4000, 4), predicted, target, mask)
        torch.autograd.backward(loss)
        optimiser.step()
    assert log_sd.exp().tolist() == pytest.approx([0.3, 0.5, 1.0, 2.0], rel=0.1)
