"""The monitor beside a real daemon: the same account over HTTP, the truth while it is away, nothing left behind."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from phenostream.daemon.client.sender import Sender
from phenostream.daemon.wire.ingest import Start
from tests.system.daemon_process import DaemonProcess
from tests.system.patience import becomes

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

SETTINGS = '[monitor]\naddress = "127.0.0.1:*"\nstart = {start}\n'
SAID = re.compile(r"monitor: (http://\S+), asks")
PATIENCE = 6
"""Times twenty seconds: a box that does much else starts a process slowly."""
PAGE = Path(__file__).parents[2] / "docs/monitoring.md"


def _get(url: str, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def _metrics(url: str, *, up: bool) -> dict[str, float]:
    """By name and labels, as they stand in the text, as soon as the daemon is known to be up or away."""
    told: dict[str, float] = {}

    def is_known() -> bool:
        code, text = _get(url, "/metrics")
        assert code == 200
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = "".join(f" {k}={v}" for k, v in sorted(sample.labels.items()))
                told[sample.name + labels] = sample.value
        return told["phenostream_up"] == up

    assert becomes(is_known)
    return told


@contextmanager
def _monitor(config: Path) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """`phenostream monitor` on a configuration; its URL."""
    command = [sys.executable, "-m", "phenostream.deploy.cli", "monitor", "--json"]
    process = subprocess.Popen(
        [*command, "--config", str(config)], stdout=subprocess.PIPE, text=True
    )
    said: IO[str] | None = process.stdout
    assert said is not None
    try:
        yield json.loads(said.readline())["url"], process
    finally:
        process.kill()
        process.wait()
        said.close()


def test_it_tells_the_truth_of_a_daemon_and_of_its_end(
    make_daemon: Callable[..., DaemonProcess],
    small_start: Callable[..., Start],
    small_frame: Any,
) -> None:
    daemon = make_daemon(SETTINGS.format(start="false"))
    ready, start = daemon.start(), small_start(n_expected=4)
    with _monitor(daemon.config) as (url, process):
        with Sender(ready["ingest"], "scope") as sender:
            sender.start(start)
            for seq in (0, 1, 3):
                sender.send(seq, small_frame)
            ledger = sender.finish(4).ledger
        assert becomes(lambda: _get(url, "/v2/health/ready")[0] == 200)
        metrics = _metrics(url, up=True)
        assert metrics["phenostream_frames_received_total"] == ledger["received"] == 3
        assert metrics["phenostream_frames_total fate=published"] == ledger["published"]
        assert metrics["phenostream_frames_missing_total"] == ledger["missing"] == 1
        assert metrics["phenostream_cells_found_total"] == ledger["cells_found"] > 0
        assert metrics["phenostream_state state=ready"] == 1
        assert metrics["phenostream_disk_free_bytes folder=journal"] > 0
        documented = set(re.findall(r"`(phenostream_\w+)`", PAGE.read_text()))
        names = {re.sub(r"_(bucket|sum|count)$", "", name.split(" ")[0]) for name in metrics}
        assert names <= documented
        name = json.loads(_get(url, "/v2")[1])["name"]
        assert name == "phenostream"
        assert becomes(lambda: start.run in _get(url, "/")[1])

        daemon.kill()
        assert becomes(lambda: _get(url, "/v2/health/live")[0] == 503)
        assert _get(url, "/v2/health/ready")[0] == 503
        assert _metrics(url, up=False)["phenostream_ready"] == 0

        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_run_starts_it_where_an_address_is_set_and_takes_it_along(
    make_daemon: Callable[..., DaemonProcess],
) -> None:
    daemon = make_daemon(SETTINGS.format(start="true"))
    daemon.start()

    def has_begun() -> bool:
        return SAID.search(daemon.log.read_text()) is not None

    assert any(becomes(has_begun) for _ in range(PATIENCE))
    (url,) = SAID.findall(daemon.log.read_text())
    assert becomes(lambda: _get(url, "/v2/health/ready") == (200, '{"ready":true}\n'))
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0
    with pytest.raises(OSError, match=os.strerror(111)):
        _get(url, "/v2/health/live")
