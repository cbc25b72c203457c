"""What a daemon says of itself: to systemd while it serves, to the log when it stops."""

from types import SimpleNamespace
from typing import Any

from phenostream.daemon.health import Health
from phenostream.daemon.ledger import Ledger
from phenostream.daemon.lifecycle import _said, _standing


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


def test_systemd_is_told_who_serves_and_every_fault_that_is_open() -> None:
    model = {
        "name": "demo",
        "version": "1",
        "backend": "openvino",
        "precision": "bf16",
        "signed_by": None,
    }
    assembly: Any = SimpleNamespace(model=model)
    health = Health()
    health.enter("ready")
    assert _standing(assembly, health) == "serving demo 1 on openvino bf16, unsigned"
    health.degrade("journal", "no space")
    health.degrade("engine", "gone; onnxruntime infers")
    assert _standing(assembly, health) == (
        "DEGRADED (journal: no space; engine: gone; onnxruntime infers), "
        "serving demo 1 on openvino bf16, unsigned"
    )
