"""The study fits by every method and judges on the same other cells; what cannot be fitted is a row that says so."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")
pytestmark = [pytest.mark.trainer, pytest.mark.timeout(180)]

from phenostream.engine.manifest import Prior  # noqa: E402
from phenostream.trainer.adaptation.reference import measure_reference  # noqa: E402
from phenostream.trainer.adaptation.rivals import METHODS  # noqa: E402
from phenostream.trainer.adaptation.statistics import kept_statistics  # noqa: E402
from phenostream.trainer.adaptation.study import SiteParts, study_site  # noqa: E402
from phenostream.trainer.checkpoint import Checkpoint  # noqa: E402
from tests.trainer.adaptation.toy_cells import toy_cells  # noqa: E402
from tests.trainer.test_export import checkpoint as random_checkpoint  # noqa: E402

EVEN = (1 / 3, 1 / 3, 1 / 3)


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    plain = random_checkpoint()
    prior = Prior(shares=EVEN, stated=False)
    own = plain.card.calibration.model_copy(update={"prior": prior})
    card = plain.card.model_copy(update={"calibration": own})
    return replace(plain, card=card, reference=measure_reference(plain.graph, toy_cells(90)))


def test_every_method_is_judged_on_the_same_cells(checkpoint: Checkpoint) -> None:
    before = kept_statistics(checkpoint.graph.phenotyper)
    parts = SiteParts("toy", toy_cells(60, 1), toy_cells(60, 2))
    seen: list[int] = []
    rows = study_site(checkpoint, parts, [EVEN], 24, lambda: seen.append(1))
    assert [row.method for row in rows] == list(METHODS)
    assert len(seen) == len(METHODS)
    for row in rows:
        assert row.failed is None
        assert row.before is not None
        assert row.after is not None
        assert row.difference is not None
        assert row.before == rows[0].before
        assert row.difference.value == pytest.approx(row.after.value - row.before.value)
        assert row.after.n == 30
    for name, kept in kept_statistics(checkpoint.graph.phenotyper).items():
        assert torch.equal(kept.mean, before[name].mean)


def test_a_site_that_cannot_be_fitted_says_why(checkpoint: Checkpoint) -> None:
    odd = toy_cells(60, 1)
    odd.images[:] = np.nan
    rows = study_site(checkpoint, SiteParts("toy", odd, toy_cells(30, 2)), [EVEN], 24)
    assert all("finite" in str(row.failed) for row in rows)
    assert all(row.after is None for row in rows)
