"""A few failed cells are counted, a share of them is a fault, and good cells end it."""

from phenostream.daemon.pipeline.failed_cells import FailedCells


def test_four_failed_cells_are_no_fault_and_five_are() -> None:
    cells = FailedCells()
    cells.add(32, 4)
    assert cells.fault() is None
    cells.add(32, 1)
    assert cells.fault() == "the engine failed on 5 of the last 64 cells"
    assert cells.total == 5


def test_one_in_a_hundred_is_no_fault() -> None:
    cells = FailedCells()
    for _ in range(200):
        cells.add(100, 1)
    assert cells.fault() is None
    assert cells.total == 200


def test_good_cells_end_the_fault() -> None:
    cells = FailedCells()
    cells.add(32, 32)
    for _ in range(31):
        cells.add(32, 0)
        assert cells.fault() is not None
    cells.add(32, 0)
    assert cells.fault() is None
