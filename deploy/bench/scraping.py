"""A monitor beside a daemon, and somebody who scrapes it, for the benchmark."""

import http.client
import json
import os
import select
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from phenostream.deploy.child import PROGRAM, cpu_s_of
from phenostream.engine.errors import EngineFault

_READY_TIMEOUT_S: Final = 30.0
_ANSWER_S: Final = 10.0
_GOOD: Final = 200


@dataclass(frozen=True, slots=True)
class RunningMonitor:
    """`phenostream monitor` in a process of its own."""

    url: str
    pid: int

    @property
    def cpu_s(self) -> float:
        """CPU time so far."""
        return cpu_s_of(self.pid)

    def scrape(self) -> tuple[float, int]:
        """One scrape as Prometheus makes it: seconds from the connection to the last byte, and bytes of the body.

        Raises:
            EngineFault: It was not answered with 200.
        """
        began_s = time.perf_counter()
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=_ANSWER_S)
        try:
            connection.request("GET", "/metrics")
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as err:
            raise EngineFault(f"bench monitor: {self.url}: {err}") from err
        finally:
            connection.close()
        if response.status != _GOOD or b"\nphenostream_up 1.0\n" not in body:
            raise EngineFault(f"bench monitor: {self.url}: status {response.status}")
        return time.perf_counter() - began_s, len(body)


@contextmanager
def running_monitor(folder: Path) -> Iterator[RunningMonitor]:
    """A monitor on the configuration of a daemon child; it ends with this thread.

    Raises:
        EngineFault: It did not say where it listens.
    """
    config = ["--config", str(folder / "config.toml"), "--with-parent", str(os.getpid())]
    command = [*PROGRAM, "monitor", "--json", *config]
    process = subprocess.Popen(  # noqa: S603 - our own command, no shell
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        yield RunningMonitor(_said_url(process), process.pid)
    finally:
        process.terminate()
        process.communicate()


def _said_url(process: "subprocess.Popen[bytes]") -> str:
    stdout = process.stdout
    if stdout is not None and select.select([stdout], [], [], _READY_TIMEOUT_S)[0]:
        line = stdout.readline()
        if line:
            return str(json.loads(line)["url"])
    raise EngineFault("bench monitor: the monitor did not say where it listens")


@dataclass(slots=True)
class Scraper:
    """Scrapes at a steady pace in a thread of its own while it is entered.

    Attributes:
        monitor: Whom.
        every_s: From the beginning of one scrape to the next.
        times_s: What they took.
        failed: Why one failed; it was the last.
    """

    monitor: RunningMonitor
    every_s: float
    times_s: list[float] = field(default_factory=list)
    failed: str = ""
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread = field(init=False)

    def __enter__(self) -> Self:
        """Begin with a scrape at once."""
        self._thread = threading.Thread(target=self._scrape, name="scraper", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        """End after the scrape that is under way."""
        self._stop.set()
        self._thread.join()

    def _scrape(self) -> None:
        due_s = time.monotonic()
        while not self._stop.wait(max(0.0, due_s - time.monotonic())):
            due_s += self.every_s
            try:
                self.times_s.append(self.monitor.scrape()[0])
            except EngineFault as err:
                self.failed = str(err)
                return
