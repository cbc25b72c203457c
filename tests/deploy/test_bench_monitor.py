"""`bench monitor`: what it refuses, and what it says of a monitor that does not answer."""

import os
import socket
from collections.abc import Sequence

import pytest

from phenostream.deploy.bench.scraping import RunningMonitor, Scraper
from phenostream.deploy.cli.main import main
from phenostream.engine.errors import EngineFault


@pytest.fixture
def nobody() -> RunningMonitor:
    """A monitor that is not there."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    return RunningMonitor(f"http://127.0.0.1:{port}", os.getpid())


@pytest.mark.parametrize("words", [("--pairs", "0"), ("--scrapes", "0"), ("--frames", "-1")])
def test_impossible_wishes_are_one_line(
    words: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "monitor", *words]) == 2
    assert capsys.readouterr().err == f"phenostream bench: {' '.join(words)}: allowed 1 or more\n"


def test_a_monitor_that_does_not_answer_is_no_figure(nobody: RunningMonitor) -> None:
    with pytest.raises(EngineFault, match=f"bench monitor: {nobody.url}: "):
        nobody.scrape()
    with Scraper(nobody, 0.01) as scraper:
        scraper._thread.join(10)
    assert scraper.failed.startswith(f"bench monitor: {nobody.url}: ")
    assert scraper.times_s == []
