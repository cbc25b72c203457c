"""The other side of `bench journal` serves as a daemon does, and keeps nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenostream.daemon.client.sender import Sender
from phenostream.daemon.wire.ingest import Start
from phenostream.deploy.child import PROGRAM, DaemonChild, child_settings

pytestmark = pytest.mark.system


def test_the_daemon_without_a_journal_publishes_and_writes_nothing(
    toy_bundle: Path,
    tmp_path_factory: pytest.TempPathFactory,
    small_start: Callable[..., Start],
    small_frame: np.ndarray[Any, Any],
) -> None:
    folder = tmp_path_factory.mktemp("o")
    program = (*PROGRAM[:-1], "phenostream.deploy.bench.without_journal")
    settings = child_settings(str(toy_bundle)) + 'backend = "fake"\n'
    with (
        DaemonChild(folder, settings, program=program) as daemon,
        Sender(daemon.ready["ingest"], "scope") as sender,
    ):
        sender.start(small_start())
        for seq in range(5):
            sender.send(seq, small_frame)
        assert sender.finish().ledger["published"] == 5
    assert all(path.stat().st_size == 0 for path in (folder / "journal").glob("*.journal"))
