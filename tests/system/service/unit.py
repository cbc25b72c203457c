"""One unit of systemd inside a container: what it is told, what it is, and what it has said."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from tests.system.service.container import Container

_LOOK_S: Final = 0.03
_USEC: Final = 1e6

Facts = dict[str, str]
"""Properties as `systemctl show` prints them."""


class Unit:
    """A unit by its name, such as ``phenostream@scope1.service``."""

    def __init__(self, machine: Container, name: str) -> None:
        self.name = name
        self._machine = machine

    def tell(self, verb: str, timeout_s: float = 90.0) -> int:
        """`systemctl VERB UNIT`; its exit code."""
        return self._machine.run("systemctl", verb, self.name, timeout_s=timeout_s).returncode

    def must(self, verb: str, timeout_s: float = 90.0) -> None:
        """The same for what has to work."""
        code = self.tell(verb, timeout_s)
        assert code == 0, f"systemctl {verb} {self.name}: exit code {code}: {self.last_words()}"

    def begin(self) -> None:
        """Have it started, without a wait until it says READY."""
        self._machine.must("systemctl", "start", "--no-block", self.name)

    def facts(self, *names: str) -> Facts:
        """Properties, all of one instant; an array or number is text."""
        options = [f"--property={','.join(names)}"] if names else []
        lines = self._machine.must("systemctl", "show", *options, self.name).splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def fact(self, name: str) -> str:
        """One property."""
        return self.facts(name)[name]

    @property
    def pid(self) -> int:
        """Its main process, as the container counts; 0 while there is none."""
        return int(self.fact("MainPID"))

    def waited_s(self) -> float:
        """How long its threads were ready to run and had no core, all together, since it began."""
        told = self._machine.must("sh", "-c", f"cat /proc/{self.pid}/task/*/schedstat")
        return sum(int(line.split()[1]) for line in told.splitlines()) / 1e9

    def kill(self, signal_name: str) -> float:
        """Send a signal to the main process; when that was, in seconds of the monotonic clock."""
        pid = self.pid
        assert pid, f"{self.name} has no process to send {signal_name} to"
        at_s = time.monotonic()
        self._machine.must("kill", f"-{signal_name}", str(pid))
        return at_s

    def until(
        self, wanted: Callable[[Facts], bool], within_s: float, what: str, *names: str
    ) -> Facts:
        """Wait until its properties are so; which then.

        Raises:
            AssertionError: They were not within so many seconds.
        """
        names = (*names, "ActiveState", "SubState", "MainPID", "NRestarts", "Result")
        deadline_s = time.monotonic() + within_s
        while not wanted(facts := self.facts(*names)):
            told = ", ".join(f"{name} {value}" for name, value in facts.items())
            assert time.monotonic() < deadline_s, (
                f"{self.name}: not {what} within {within_s:g} s: {told}; {self.last_words()}"
            )
            time.sleep(_LOOK_S)  # systemd is asked, it tells nobody
        return facts

    def until_active_again(self, pid: int, within_s: float) -> float:
        """Wait until another process than `pid` has said READY; when it did, monotonic seconds."""
        facts = self.until(
            lambda now: now["ActiveState"] == "active" and now["MainPID"] not in ("0", str(pid)),
            within_s,
            "active with a new process",
            "ActiveEnterTimestampMonotonic",
        )
        return int(facts["ActiveEnterTimestampMonotonic"]) / _USEC

    def said(self, *matches: str) -> list[dict[str, Any]]:
        """Its records of the journal since boot, the oldest first; `matches` are ``FIELD=value``."""
        words = ("journalctl", "--boot", "--output=json", f"--unit={self.name}", *matches)
        lines = self._machine.must(*words).splitlines()
        return [json.loads(line) for line in lines]

    def until_said(
        self, text: str, within_s: float, since_s: float = 0.0
    ) -> tuple[float, dict[str, Any]]:
        """Wait for a record that holds a text and is not older; when it was made, and it."""
        deadline_s = time.monotonic() + within_s
        while True:
            for record in self.said():
                at_s = int(record["__MONOTONIC_TIMESTAMP"]) / _USEC
                if at_s >= since_s and text in str(record.get("MESSAGE")):
                    return at_s, record
            assert time.monotonic() < deadline_s, (
                f"{self.name}: nobody said {text!r} within {within_s:g} s: {self.last_words()}"
            )
            time.sleep(_LOOK_S)  # the journal lags, and tells nobody

    def last_words(self) -> str:
        """The newest lines about it, on one line."""
        words = ("journalctl", "--boot", "--output=cat", "--lines=6", f"--unit={self.name}")
        return " | ".join(self._machine.run(*words).stdout.split("\n"))[-1500:]

    @contextmanager
    def overridden(self, text: str) -> Iterator[None]:
        """A drop-in of the running system for a while; the unit itself is not started again."""
        path = f"/run/systemd/system/{self.name}.d/zz-test.conf"
        self._machine.write(path, text)
        self._machine.must("systemctl", "daemon-reload")
        try:
            yield
        finally:
            self._machine.must("rm", "-f", path)
            self._machine.must("systemctl", "daemon-reload")

    def fresh(self) -> None:
        """Have it run anew, whatever became of it before, with no count of failures."""
        self.tell("stop")
        self.tell("reset-failed")
        self.must("start")
