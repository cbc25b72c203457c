import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.trainer

from phenostream.trainer.data.cell_set import CellSet  # noqa: E402
from phenostream.trainer.evaluation.gradients import attribute, gradient_pictures  # noqa: E402
from phenostream.trainer.network.graph import BundleGraph  # noqa: E402


@pytest.fixture(scope="module")
def graph() -> BundleGraph:
    torch.set_num_threads(1)
    torch.manual_seed(3)
    return BundleGraph().eval()


def test_attributions_add_up_to_what_the_cell_gained(
    graph: BundleGraph, white_cells: CellSet
) -> None:
    found = attribute(graph, white_cells.select(np.arange(4)))
    assert found.maps.shape == (4, 28, 28)
    assert (found.maps >= 0).all()
    assert np.abs(found.gap).max() < 0.05 * np.abs(found.gained).max() + 1e-3
    assert (found.middle_share() > 0.26).all()


def test_the_weights_keep_no_gradient_of_it(graph: BundleGraph, white_cells: CellSet) -> None:
    attribute(graph, white_cells.select(np.arange(1)))
    assert all(parameter.grad is None for parameter in graph.parameters())


def test_an_empty_tile_is_attributed_nothing(graph: BundleGraph, white_cells: CellSet) -> None:
    one = white_cells.select(np.arange(1))
    flat = np.broadcast_to(one.background[:, :, None, None], one.images.shape)
    empty = CellSet.with_labels(
        np.ascontiguousarray(flat),
        one.background,
        one.kind,
        one.marker_log10,
        one.marker_mask,
        one.group,
    )
    found = attribute(graph, empty)
    assert not found.maps.any()
    assert found.gained[0] == 0


def test_a_picture_tells_how_much_of_the_lead_the_map_explains(
    graph: BundleGraph, white_cells: CellSet
) -> None:
    pictures = gradient_pictures(graph, white_cells, np.array([0, 5]))
    assert len(pictures) == 2
    assert "the map explains" in pictures[0].caption
    assert "Test cell 5" in pictures[1].alt
    assert gradient_pictures(graph, white_cells, np.zeros(0, np.intp)) == ()
