"""A process beside the daemon: started again when it dies, ended with its owner, and never in the way."""

import errno
import logging
import os
import sys
from pathlib import Path

import pytest

from phenostream.deploy.sibling import Sibling
from tests.system.patience import becomes


def program(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.mark.usefixtures("_told_of_ends")
def test_one_that_dies_is_started_again_and_told_of(caplog: pytest.LogCaptureFixture) -> None:
    with Sibling("toy", program("import os; os.kill(os.getpid(), 9)"), 0.01) as sibling:
        assert becomes(lambda: sibling.starts >= 3)
    said = [record.getMessage() for record in caplog.records]
    assert said[0] == "the toy was ended by signal 9; it is started again in 0.01 s"
    assert said[1] == "the toy was ended by signal 9; it is started again in 0.02 s"


@pytest.mark.parametrize("code", [0, 2])
def test_one_that_has_nothing_to_do_stays_away(code: int, caplog: pytest.LogCaptureFixture) -> None:
    with Sibling("toy", program(f"raise SystemExit({code})"), 0.0) as sibling:
        assert becomes(lambda: not sibling._thread.is_alive())
        assert sibling.starts == 1
    assert [record.getMessage() for record in caplog.records] == [
        f"the toy ended with exit code {code}; it is not started again"
    ]


def test_one_that_cannot_be_started_does_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with Sibling("toy", ["/nonexistent/program"], 0.01):
        assert becomes(lambda: len(caplog.records) >= 2)
    assert "cannot be started: No such file" in caplog.records[0].getMessage()


@pytest.fixture(params=[True, False])
def _told_of_ends(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the kernel, or not: without a free descriptor it cannot."""

    def refuse(_pid: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    if not request.param:
        monkeypatch.setattr(os, "pidfd_open", refuse)
        monkeypatch.setattr("phenostream.deploy.sibling._LOOK_S", 0.01)


@pytest.mark.usefixtures("_told_of_ends")
@pytest.mark.parametrize("deaf", [False, True])
def test_it_ends_with_its_owner(
    tmp_path: Path, deaf: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phenostream.deploy.sibling._LEAVING_S", 0.3)
    ignore = "signal.signal(signal.SIGTERM, signal.SIG_IGN);" if deaf else ""
    ready = tmp_path / "ready"
    code = f"import signal,pathlib;{ignore}pathlib.Path({str(ready)!r}).touch();signal.pause()"
    with Sibling("toy", program(code)) as sibling:
        assert becomes(ready.exists)
        process = sibling._process
        assert process is not None
    assert process.returncode == (-9 if deaf else -15)
    assert sibling.starts == 1
