"""What a daemon says when it stops."""

from phenostream.daemon.ledger import Ledger
from phenostream.daemon.lifecycle import _said


def test_the_last_line_is_readable_and_says_that_it_counts_the_whole_journal() -> None:
    ledger = Ledger()
    ledger.open("run", 3)
    ledger.receive("run", 0)
    cells = {"found": 9, "classified": 7}
    ledger.settle("run", 0, "published", None, cells)
    assert _said(ledger.total()) == (
        "since this journal began: frames 1 received, 1 published, 0 dropped, 0 quarantined, "
        "0 failed, 0 missing; cells 9 found, 7 classified"
    )
