"""Batch normalisations fitted to other inputs: exact where it can be, blind to what it should not see."""

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

from torch import Tensor, nn  # noqa: E402

from phenostream.engine.errors import BadInput  # noqa: E402
from phenostream.trainer.adaptation.norms import adapt_norms, effective_inputs  # noqa: E402
from phenostream.trainer.adaptation.statistics import (  # noqa: E402
    kept_statistics,
    measured_statistics,
    pooled,
)


class Toy(nn.Module):
    """Two normalised convolutions in a row, and dropout that training would use."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(2, 5, 3, bias=False),
            nn.BatchNorm2d(5),
            nn.GELU(),
            nn.Dropout2d(0.5),
            nn.Conv2d(5, 4, 3, bias=False),
            nn.BatchNorm2d(4),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return out


def toy() -> Toy:
    """Trained as far as its statistics go: on `inputs(512)`, in evaluation mode."""
    torch.manual_seed(1)
    module = Toy()
    adapt_norms(module, [inputs(512)])
    return module


def inputs(count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    drawn: Tensor = torch.randn((count, 2, 9, 9), generator=generator)
    return drawn


def test_each_layer_ends_with_the_statistics_of_its_own_input() -> None:
    module = toy()
    adapt_norms(module, [2 * inputs(100, 1) + 3, 2 * inputs(60, 2) + 3])
    found = measured_statistics(module, [2 * torch.cat([inputs(100, 1), inputs(60, 2)]) + 3])
    for name, kept in kept_statistics(module).items():
        torch.testing.assert_close(kept.mean, found[name].mean, atol=2e-4, rtol=1e-4)
        torch.testing.assert_close(kept.variance, found[name].variance, atol=2e-4, rtol=1e-3)


def test_a_gain_and_an_offset_of_the_input_are_undone() -> None:
    module = toy()
    plain: Tensor = module.eval()(inputs(400, 3))
    shift = adapt_norms(module, [1.7 * inputs(400, 3) + 0.4])
    torch.testing.assert_close(module(1.7 * inputs(400, 3) + 0.4), plain, atol=0.15, rtol=0.05)
    assert [one.layer for one in shift] == ["body.1", "body.5"]
    assert shift[0].log_sd == pytest.approx(0.5306, abs=0.02)  # log 1.7
    assert shift[1].log_sd < 0.05  # the first layer took it all


def test_equal_inputs_move_nothing() -> None:
    module = toy()
    shift = adapt_norms(module, [inputs(512)])
    assert max(max(one.mean, one.log_sd) for one in shift) < 1e-4


def test_the_mode_of_every_part_is_the_same_afterwards() -> None:
    module = toy().train()
    module.body[1].eval()
    adapt_norms(module, [inputs(20)])
    assert [part.training for part in module.body] == [True, False, True, True, True, True]


def test_weights_count_inputs_as_often_as_they_say() -> None:
    one, other = toy(), toy()
    x = torch.cat([inputs(30, 4), inputs(30, 5) + 2])
    adapt_norms(one, [x], torch.cat([torch.full((30,), 3.0), torch.ones(30)]))
    adapt_norms(other, [x[:30], x[:30], x[:30], x[30:]])
    for name, kept in kept_statistics(other).items():
        torch.testing.assert_close(kept_statistics(one)[name].mean, kept.mean)
        torch.testing.assert_close(kept_statistics(one)[name].variance, kept.variance)


def test_a_reference_of_the_same_mix_keeps_the_mix_from_being_a_shift() -> None:
    module = toy()
    kinds = [measured_statistics(module, [inputs(256, 6)]), {}]
    kinds[1] = measured_statistics(module, [inputs(256, 7) + 2])
    site = [torch.cat([inputs(256, 6)[:50], inputs(256, 7)[:200] + 2])]
    expected = pooled(kinds, [0.2, 0.8])
    matched = adapt_norms(module, site, reference=expected)
    naive = adapt_norms(toy(), site)
    assert matched[0].mean < 0.1
    assert naive[0].mean > 0.4


def test_the_pool_of_two_parts_is_what_both_together_measure() -> None:
    module = toy()
    parts = [inputs(40, 8), inputs(120, 9) * 3 - 1]
    found = pooled([measured_statistics(module, [part]) for part in parts], [0.25, 0.75])
    for name, moments in measured_statistics(module, parts).items():
        torch.testing.assert_close(found[name].mean, moments.mean)
        torch.testing.assert_close(found[name].variance, moments.variance)


def test_the_training_counts_as_so_many_inputs() -> None:
    module = toy()
    whole = adapt_norms(toy(), [inputs(100, 1) + 5])
    blended = adapt_norms(module, [inputs(100, 1) + 5], prior_inputs=300)
    assert blended[0].mean == pytest.approx(whole[0].mean / 4, rel=1e-6)


def test_few_heavy_inputs_are_few() -> None:
    weights = torch.tensor([1.0, 1.0, 0.0, 0.0])
    assert effective_inputs([torch.zeros(4, 1)], weights) == 2
    assert effective_inputs([torch.zeros(4, 1)], None) == 4


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ([1.0], "for 20 inputs"),
        ([float("nan")] * 20, "finite"),
        ([0.0] * 20, "above 0"),
        ([-1.0] + [1.0] * 19, "0 or more"),
    ],
)
def test_impossible_weights_are_refused(weights: list[float], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        adapt_norms(toy(), [inputs(20)], torch.tensor(weights))


def test_inputs_that_are_not_finite_are_refused_and_change_nothing() -> None:
    module = toy()
    before = kept_statistics(module)
    with pytest.raises(BadInput, match=r"body\.1: its input has no finite mean"):
        adapt_norms(module, [torch.full((9, 2, 9, 9), float("inf"))])
    torch.testing.assert_close(kept_statistics(module)["body.1"].mean, before["body.1"].mean)


def test_a_network_without_batch_normalisation_is_refused() -> None:
    with pytest.raises(BadInput, match="no batch normalisation"):
        adapt_norms(nn.Sequential(nn.Conv2d(2, 2, 1), nn.GroupNorm(1, 2)), [inputs(5)])
