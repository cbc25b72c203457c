"""A language model in a process of its own: started when it is asked, asked with a deadline, ended when it hangs.

Whatever the worker does (die, hang, talk nonsense, take memory) is an `EngineFault` within the deadline. One that
failed rests before it is started again, twice as long each time. For one thread, which must live as long as the link:
the kernel ends the worker with it.
"""

import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from pydantic import TypeAdapter, ValidationError

from phenostream.daemon.summariser.child import Child, Late, Lost, one_line
from phenostream.daemon.summariser.limits import step_back
from phenostream.daemon.summariser.llm.protocol import Completion, Messages, ModelFacts
from phenostream.engine.errors import EngineFault

logger = logging.getLogger(__name__)

PROGRAM: Final = (sys.executable, "-P", "-m", "phenostream.daemon.summariser.worker")
"""Not from the folder that somebody happens to stand in: its ``random.py`` is none of ours."""
LONGEST_START_S: Final = 120.0
"""For hashing and loading a model on a busy box; then it is ended."""
FIRST_REST_S: Final = 1.0
LONGEST_REST_S: Final = 60.0
_MARGIN: Final = 0.1
"""Part of the time left that the worker is not told of: it is to stop by itself before it is ended."""
_MOST_MARGIN_S: Final = 1.0
_FACTS: Final = TypeAdapter(ModelFacts)
_COMPLETION: Final = TypeAdapter(Completion)


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    """What a worker opens, and what it may take.

    Attributes:
        path: The model's file.
        binding: Row of the table of bindings, or ``auto``.
        threads: See `Opening`.
        context_tokens: See `Opening`.
        memory_bytes: Memory of its own, without the mapped file; see `take_limits`.
        idle: It has only cores that nobody else wants, see `step_back`; where there are none it writes nothing.
    """

    path: Path
    binding: str = "auto"
    threads: int = 1
    context_tokens: int = 2048
    memory_bytes: int = 2 << 30
    idle: bool = True

    def as_message(self) -> dict[str, Any]:
        """What the worker is told first."""
        return {
            "path": str(self.path.absolute()),
            "binding": self.binding,
            "threads": self.threads,
            "context_tokens": self.context_tokens,
            "memory_bytes": self.memory_bytes,
            "parent": os.getpid(),
        }


class Link:
    """See above; a context manager. There is no process before the first question.

    Attributes:
        starts: Workers started so far.
    """

    def __init__(
        self,
        setup: WorkerSetup,
        program: tuple[str, ...] = PROGRAM,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start nothing yet.

        Args:
            setup: What to open.
            program: What serves as the worker; another one in tests.
            clock: Seconds; for how long a worker rests.
        """
        self.starts = 0
        self._setup, self._program, self._clock = setup, program, clock
        self._child: Child | None = None
        self._facts: ModelFacts | None = None
        self._rest_s, self._rests_until_s, self._why = 0.0, 0.0, ""

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """End the worker."""
        self.close()

    @property
    def pid(self) -> int | None:
        """Of the worker; None while there is none."""
        return None if self._child is None else self._child.pid

    def open(self, within_s: float) -> ModelFacts:
        """Who the model is, once it is loaded.

        Raises:
            EngineFault: It is not loaded within that time (it goes on loading), it rests, or it failed.
        """
        return self._opened(time.monotonic() + within_s)[1]

    def complete(
        self,
        messages: Messages,
        *,
        grammar: str | None,
        max_tokens: int,
        deadline_s: float,
        seed: int = 0,
    ) -> Completion:
        """See `LanguageModel.complete`; the deadline holds for starting the worker as well.

        Raises:
            BadMessage: The question is longer than 1 MiB.
            EngineFault: There is no text within the deadline, for whatever other reason; one line.
        """
        due_s = time.monotonic() + deadline_s
        child, _ = self._opened(due_s)
        left_s = max(0.0, due_s - time.monotonic())
        job = {
            "messages": [dict(message) for message in messages],
            "grammar": grammar,
            "max_tokens": max_tokens,
            "deadline_s": left_s - min(_MARGIN * left_s, _MOST_MARGIN_S),
            "seed": seed,
        }
        try:
            child.say(job, due_s)
            answer = child.hear(due_s)
            if (reason := answer.get("failed")) is None:
                done = _COMPLETION.validate_python(answer.get("done"))
        except (Late, Lost, ValidationError) as err:
            raise self._lost(_in_words(err)) from err
        if reason is not None:
            if answer.get("over"):
                raise self._lost(one_line(reason))
            raise EngineFault(f"language model: {one_line(reason)}")
        self._rest_s = 0.0
        return done

    def close(self) -> None:
        """End the worker; calling it twice is harmless."""
        child, self._child, self._facts = self._child, None, None
        if child is not None:
            child.end()

    def _opened(self, due_s: float) -> tuple[Child, ModelFacts]:
        child = self._child or self._started(due_s)
        if self._facts is not None:
            return child, self._facts
        give_up_s = child.began_s + LONGEST_START_S
        try:
            answer = child.hear(min(due_s, give_up_s))
            if (reason := answer.get("refused")) is None:
                self._facts = _FACTS.validate_python(answer.get("ready"))
        except (Late, Lost, ValidationError) as err:
            if isinstance(err, Late) and time.monotonic() < give_up_s:
                raise EngineFault("language model: it is still being loaded") from err
            raise self._lost(_in_words(err)) from err
        if self._facts is None:
            self._rest_s = LONGEST_REST_S if answer.get("lasting") else self._rest_s
            raise self._lost(one_line(reason))
        child.settled()
        took_s = time.monotonic() - child.began_s
        logger.info("language model %s is ready after %.1f s", one_line(self._facts.name), took_s)
        return child, self._facts

    def _started(self, due_s: float) -> Child:
        left_s = self._rests_until_s - self._clock()
        if left_s > 0:
            raise EngineFault(f"language model: rests for {left_s:.0f} s after {self._why}")
        try:
            self._child = child = Child(self._program, self._setup.threads)
            if self._setup.idle:
                step_back(child.pid)
            self.starts += 1
            child.say(self._setup.as_message(), due_s)
        except (Late, Lost, OSError) as err:  # the last: it cannot be put behind all others
            raise self._lost(str(err)) from err
        return child

    def _lost(self, why: str) -> EngineFault:
        """End the worker and let it rest; the line that says why."""
        self._rest_s = min(max(FIRST_REST_S, 2 * self._rest_s), LONGEST_REST_S)
        self._rests_until_s, self._why = self._clock() + self._rest_s, why
        logger.warning("language model lost for %.0f s: %s", self._rest_s, why)
        self.close()
        return EngineFault(f"language model: {why}")


def _in_words(err: Exception) -> str:
    return "it said what is no answer" if isinstance(err, ValidationError) else str(err)
