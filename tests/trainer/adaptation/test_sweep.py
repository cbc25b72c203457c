"""One sweep fits every layer to its own input; nothing of the module but its statistics is changed."""

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

from phenostream.trainer.adaptation.norms import adapt_norms  # noqa: E402
from phenostream.trainer.adaptation.statistics import (  # noqa: E402
    kept_statistics,
    measured_statistics,
    sweep,
)
from tests.trainer.adaptation.test_norms import inputs, toy  # noqa: E402


def test_one_sweep_is_what_passes_over_all_layers_settle_at() -> None:
    one, other = toy(), toy()
    x = 1.7 * inputs(90, 3) + 0.4
    weights = torch.linspace(0, 2, 90)
    said = sweep(one, x, weights, lambda _name, seen: seen)
    adapt_norms(other, [x], weights)
    for name, kept in kept_statistics(other).items():
        found = kept_statistics(one)[name]
        torch.testing.assert_close(found.mean, kept.mean, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(found.variance, kept.variance, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(said, one.eval()(x))
    assert measured_statistics(one, [x], weights).keys() == kept_statistics(one).keys()


def test_a_rule_that_keeps_everything_changes_nothing() -> None:
    module = toy().train()
    before = kept_statistics(module)
    sweep(module, inputs(20) + 9, torch.ones(20), lambda name, _seen: before[name])
    assert module.training
    for name, kept in kept_statistics(module).items():
        assert torch.equal(kept.mean, before[name].mean)
