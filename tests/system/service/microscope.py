"""The harness's end of a `source`: starts it inside the container as some user, and hears what it is told."""

import json
import subprocess
import threading
from typing import Any, Final

from tests.system.service.container import ENVIRONMENT, Container
from tests.system.small_camera import small_start

PATIENCE_S: Final = 60.0
TESTS: Final = "/opt/service-test"
"""Where the container shows the folder with `tests` in it."""
PYTHON: Final = "/opt/phenostream/current/bin/python"


class Microscope:
    """One run of a user of the box.

    Attributes:
        run: Its id.
        acked: When each frame's acknowledgement was heard, monotonic seconds, in that order.
        sent: Frames it handed over in all; known at the end.
        ledger: The daemon's account of the run; known at the end.
        failure: Why it gave up.
    """

    def __init__(
        self,
        machine: Container,
        url: str,
        user: str = "microscope",
        *,
        pause_s: float = 0.005,
        patience_s: float = 30.0,
        keys: str | None = None,
    ) -> None:
        self.acked: dict[int, float] = {}
        self.sent: int | None = None
        self.ledger: dict[str, int] | None = None
        self.failure: str | None = None
        start = small_start()
        self.run = start.run
        plan = {
            "url": url,
            "start": start.model_dump(mode="json"),
            "pause_s": pause_s,
            "patience_s": patience_s,
            "keys": keys,
        }
        words = ("env", f"PYTHONPATH={TESTS}", PYTHON, "-m", "tests.system.service.source")
        self._news = threading.Condition()
        self._process = subprocess.Popen(
            machine.entering(*words, user=user),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(plan) + "\n")
        self._process.stdin.flush()
        self._reader = threading.Thread(target=self._hear, daemon=True)
        self._reader.start()

    def wait_for(self, count: int) -> None:
        """Until so many frames are acknowledged."""
        with self._news:
            done = self._news.wait_for(
                lambda: len(self.acked) >= count or not self._reader.is_alive(), PATIENCE_S
            )
        assert done, f"{len(self.acked)} of {count} frames within {PATIENCE_S:g} s"
        assert len(self.acked) >= count, f"{len(self.acked)} of {count} frames: {self.failure}"

    def wait_for_one_after(self, at_s: float) -> float:
        """Until a frame is acknowledged after an instant; when the first was."""

        def heard() -> list[float]:
            return [one for one in self.acked.values() if one > at_s]

        with self._news:
            self._news.wait_for(lambda: heard() or not self._reader.is_alive(), PATIENCE_S)
        assert heard(), f"no frame was acknowledged afterwards: {self.failure}"
        return min(heard())

    def finish(self) -> dict[str, int]:
        """Let it end its run; the daemon's account, which must be exact."""
        self.end()
        assert self.failure is None, self.failure
        assert self.ledger is not None, "it ended without the daemon's account"
        wanted = {"received": self.sent, "published": self.sent, "missing": 0, "failed": 0}
        found = {name: self.ledger[name] for name in wanted}
        assert found == wanted, f"{found}, expected {wanted}"
        return self.ledger

    def end(self) -> None:
        """Tell it that it is enough, and wait for its end."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        if not process.stdin.closed:
            process.stdin.close()
        self._reader.join(PATIENCE_S)
        if self._reader.is_alive():
            process.kill()
            self.failure = f"no end of the run within {PATIENCE_S:g} s"
        code = process.wait()
        if code and self.failure is None:
            self.failure = f"exit code {code}: {process.stderr.read()[-500:]}"
        self._reader.join()
        process.stdout.close()
        process.stderr.close()

    def _hear(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._news:
                self._take(*line.rstrip("\n").partition(" ")[::2])
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def _take(self, word: str, rest: str) -> None:
        if word == "ack":
            seq, at_s = rest.split()
            self.acked.setdefault(int(seq), float(at_s))
        elif word == "sent":
            self.sent = int(rest)
        elif word == "ledger":
            ledger: dict[str, Any] = json.loads(rest)
            self.ledger = ledger
        elif word == "failed":
            self.failure = rest


def refusal(machine: Container, url: str, user: str, keys: str | None = None) -> str:
    """Why a user of the box cannot stream to a daemon; fails if he can."""
    stranger = Microscope(machine, url, user, patience_s=1.0, keys=keys)
    stranger.end()
    assert stranger.failure is not None, f"{user} streamed {stranger.sent} frames to {url}"
    return stranger.failure
