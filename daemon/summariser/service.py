"""The summariser: hears what the template wrote, has it worded, and hands the words to the daemon, which judges them.

One thread. While the language model is at work, summaries wait in the socket and then at the `Desk`. Whatever the
language model does costs a summary its other words and nothing else; while the daemon is away nothing is worded.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from phenostream.daemon.client.control import Control
from phenostream.daemon.client.errors import Refusal, Unreachable
from phenostream.daemon.client.listener import Listener
from phenostream.daemon.logs import about
from phenostream.daemon.security.keys import ClientKeys
from phenostream.daemon.summariser.author import Mode, Worded
from phenostream.daemon.summariser.desk import Desk, Job
from phenostream.daemon.summariser.llm.protocol import ModelFacts
from phenostream.daemon.summary_config import SummaryConfig
from phenostream.engine.errors import BadInput, BadMessage, EngineFault
from phenostream.engine.summary.facts import Facts
from phenostream.engine.summary.wording import Style

logger = logging.getLogger(__name__)

_LOOK_S: Final = 0.25
_TELL_S: Final = 10.0
"""Between two words about ourselves while there is nothing to word."""
_TELL_SOON_S: Final = 1.0
"""While the language model is not loaded."""
_ANSWER_S: Final = 5.0
_LONGEST_REASON: Final = 400


class Writes(Protocol):
    """Words facts; see `Author`."""

    def write(
        self, facts: Facts, style: Style, language: str, mode: Mode, deadline_s: float
    ) -> Worded:
        """Words that are true of the facts; the template's where there are no others in time."""


@dataclass(frozen=True, slots=True)
class Daemon:
    """Where a daemon is.

    Attributes:
        results: Endpoint.
        control: Endpoint.
        results_keys: Ours and the daemon's, for an endpoint on tcp that asks for them.
        control_keys: Likewise.
    """

    results: str
    control: str
    results_keys: ClientKeys | None = None
    control_keys: ClientKeys | None = None


class Service:
    """One per process. `run` ends by an exception, such as that of a signal handler."""

    def __init__(
        self,
        config: SummaryConfig,
        daemon: Daemon,
        author: Writes,
        who: Callable[[], ModelFacts],
    ) -> None:
        """Connect to nothing yet.

        Args:
            config: With a language model.
            daemon: Whose summaries are worded.
            author: Words them.
            who: The language model, once it is loaded; raises `EngineFault` where it is not.
        """
        self._config = config
        self._daemon = daemon
        self._author = author
        self._who = who
        self._desk = Desk()
        self._unworded = 0
        self._last_s: float | None = None
        self._last_reason: str | None = None
        self._away = self._loaded = False

    def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Word summaries, for ever.

        Args:
            on_ready: Called once, when no summary that is written from then on can be missed.

        Raises:
            BadConfig: An endpoint is no address.
            Rejected: The daemon does not take our connection.
        """
        daemon = self._daemon
        with (
            Listener(daemon.results, "summary", daemon.results_keys) as listener,
            Control(daemon.control, _ANSWER_S, daemon.control_keys) as control,
        ):
            ready, tell_s = False, 0.0
            while True:
                for offset, record in listener.heard(_LOOK_S):
                    self._hear(offset, record)
                if listener.subscribed and not ready:
                    ready = True
                    on_ready()
                job = self._desk.take()
                if job is not None:
                    self._word(job, control)
                elif ready and time.monotonic() >= tell_s:
                    self._tell(control)
                else:
                    continue
                tell_s = time.monotonic() + (_TELL_S if self._loaded else _TELL_SOON_S)

    def _hear(self, offset: int, record: dict[str, Any]) -> None:
        """Have a summary of the template wait; one of another version cannot be worded."""
        if record.get("source") != "template":
            return
        try:
            facts = Facts.from_dict(record.get("facts"))
        except BadMessage as err:
            subject = about(offset=offset)
            logger.warning(
                "offset %d: %s; it keeps the template's words", offset, err, extra=subject
            )
            return
        scope, run = str(record.get("scope")), str(record.get("run"))
        self._desk.put(Job(offset, scope, run, facts))

    def _word(self, job: Job, control: Control) -> None:
        config = self._config
        began_s = time.monotonic()
        worded = self._author.write(
            job.facts, config.style, config.language, config.mode, config.deadline_s
        )
        reason = self._hand_over(job, worded, control)
        if reason is not None:
            self._unworded += 1
            logger.warning(
                "summary at offset %d keeps the template's words: %s",
                job.of_offset,
                reason,
                extra=about(job.run, offset=job.of_offset),
            )
        self._last_s, self._last_reason = time.monotonic() - began_s, reason
        self._tell(control, reason)

    def _hand_over(self, job: Job, worded: Worded, control: Control) -> str | None:
        """Why a text does not become a record; None if it does."""
        if worded.llm is None or worded.source == "template":
            return "; ".join(worded.refused) or "there is only one wording of these facts"
        text = {
            "of_offset": job.of_offset,
            "text": worded.text,
            "style": self._config.style,
            "language": self._config.language,
            "source": worded.source,
            "llm": self._named(worded.llm),
            "seconds": worded.seconds,
        }
        try:
            control.word_summary(text)
        except (BadInput, Refusal, Unreachable) as err:
            return str(err)
        logger.info(
            "summary at offset %d of run %s worded in %.1f s",
            job.of_offset,
            job.run,
            worded.seconds,
            extra=about(job.run, offset=job.of_offset),
        )
        return None

    def _named(self, model: ModelFacts) -> dict[str, str]:
        """As the site calls it, not as its file calls itself: a record says nothing that a stranger wrote."""
        name = self._config.llm_name
        return {"name": name, "sha256": model.sha256, "binding": model.binding}

    def _tell(self, control: Control, fresh: str | None = None) -> None:
        """Say how we stand, if anybody is there to hear it; `fresh`: why a summary was left unworded just now."""
        llm, reason = None, self._last_reason
        try:
            llm = self._named(self._who())
        except EngineFault as err:
            reason = fresh or str(err)
        self._loaded = llm is not None
        state = {
            "llm": llm,
            "skipped": self._desk.skipped,
            "unworded": self._unworded,
            "reason": _shown(reason) if reason else None,
            "seconds": self._last_s,
        }
        try:
            control.tell_summariser(state)
        except (Refusal, Unreachable) as err:
            if not self._away:
                logger.warning("the daemon does not hear how the summariser stands: %s", err)
            self._away = True
        else:
            self._away = False


def _shown(text: str) -> str:
    """A library's own words, as a control request takes them."""
    return "".join(one if one.isprintable() else "?" for one in text)[:_LONGEST_REASON]
