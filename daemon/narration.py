"""Who words summaries, and whether what they say is true: the daemon's own check of every text before it is published.

The commit thread tells which summaries the template wrote, the control thread brings other words for them. A text is
taken once for a summary, and only where the facts that the daemon itself wrote support all of it, so that whoever sends
it need not be trusted.
"""

import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

from phenostream.daemon.journal.record import Record
from phenostream.daemon.logs import about
from phenostream.daemon.pipeline.entries import SummaryWorded
from phenostream.daemon.pipeline.records import Wording, worded
from phenostream.daemon.summariser.llm.bindings import BINDINGS
from phenostream.daemon.summary_config import SummaryConfig
from phenostream.daemon.wire.codec import unpack_result
from phenostream.daemon.wire.control import Summariser, SummaryText
from phenostream.engine.errors import BadInput, BadMessage
from phenostream.engine.summary.facts import Facts
from phenostream.engine.summary.plan import says
from phenostream.engine.summary.prompt import FREE_LANGUAGE
from phenostream.engine.summary.wording import STYLES, Style, plan_of

logger = logging.getLogger(__name__)

MOST_KEPT: Final = 64
"""Summaries of the template that may still be worded: the newest."""
MOST_TRIES: Final = 4
"""Texts for one summary that are judged: judging costs time in which others wait for their answers."""
_BUSY: Final = "the daemon stops, or waits for its disk: the template's words stay"


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a checkpoint keeps of all this: two lists of offsets, for the journal has the records.

    Attributes:
        templates: The newest summaries of the template, oldest first.
        worded: Those of them that have other words, on disk.
    """

    templates: tuple[int, ...] = ()
    worded: tuple[int, ...] = ()


@dataclass(slots=True)
class _Counts:
    """Texts since the daemon started."""

    worded: int = 0
    refused: int = 0
    last_refusal: str | None = None
    last_seconds: float | None = None


class Narration:
    """One per daemon; see `control.Narration`. Safe from any thread."""

    def __init__(
        self,
        config: SummaryConfig,
        enter: Callable[[SummaryWorded], bool],
        read: Callable[[int], Iterator[Record]] = lambda since: iter(()),
    ) -> None:
        """Know of no summary yet.

        Args:
            config: What a site allows.
            enter: Hands a record to the commit thread, at once; False where it cannot be taken now.
            read: The journal's records from an offset on; raises OSError where it cannot be read now.
        """
        self._config = config
        self._enter = enter
        self._read = read
        self._lock = Lock()
        self._templates: OrderedDict[int, bytes | None] = OrderedDict()
        """None: an earlier process wrote it, and only the journal has it."""
        self._entered: set[int] = set()
        self._worded: set[int] = set()
        self._tries: Counter[int] = Counter()
        self._counts = _Counts()
        self._heard: Summariser | None = None
        self._heard_s = 0.0

    def restore(self, remembered: Remembered, records: Iterable[Record]) -> None:
        """An earlier process knew of these, and wrote these records after that."""
        with self._lock:
            self._templates.update(dict.fromkeys(remembered.templates))
            self._worded.update(remembered.worded)
        self.written(records)

    def remembered(self) -> Remembered:
        """For a checkpoint: what is on disk of all that was `written`."""
        with self._lock:
            worded = tuple(one for one in self._templates if one in self._worded)
            return Remembered(tuple(self._templates), worded)

    def written(self, records: Iterable[Record]) -> None:
        """These records are on disk: of the summaries among them, the template's may be worded from now on."""
        for record in records:
            if record.topic == "summary":
                self._note(record)

    def take(self, request: SummaryText) -> None:
        """Have a text published.

        Raises:
            BadInput: The facts of that summary do not support it, it has been worded, or nobody knows of it.
        """
        try:
            self._take(request)
        except BadInput as err:
            with self._lock:
                self._counts.refused += 1
                self._counts.last_refusal = str(err)
            raise

    def hear(self, request: Summariser) -> None:
        """Note how the summariser stands."""
        with self._lock:
            self._heard, self._heard_s = request, time.monotonic()

    def told(self) -> dict[str, Any]:
        """For the status; plain values."""
        with self._lock:
            heard, counts = self._heard, self._counts
            return {
                "heard_s": None if heard is None else round(time.monotonic() - self._heard_s, 1),
                "llm": None if heard is None or heard.llm is None else heard.llm.model_dump(),
                "worded": counts.worded,
                "refused": counts.refused,
                "skipped": 0 if heard is None else heard.skipped,
                "unworded": 0 if heard is None else heard.unworded,
                "last_seconds": counts.last_seconds,
                "last_refusal": counts.last_refusal,
                "reason": None if heard is None else heard.reason,
            }

    def _note(self, record: Record) -> None:
        try:
            body = unpack_result(record.payload)
        except BadMessage:
            return  # of another version: it cannot be worded
        of_offset = body.get("of_offset")
        with self._lock:
            if of_offset is None:
                self._templates[record.offset] = record.payload
            elif of_offset in self._templates:
                self._worded.add(of_offset)
            if len(self._templates) > MOST_KEPT:
                oldest, _ = self._templates.popitem(last=False)
                self._entered.discard(oldest)
                self._worded.discard(oldest)
                del self._tries[oldest]

    def _take(self, request: SummaryText) -> None:
        template = self._wordable(request.of_offset)
        self._judge(request, template)
        wording = Wording(
            request.text,
            request.style,
            request.language,
            request.source,
            request.of_offset,
            request.llm.model_dump(),
            round(request.seconds, 3),
        )
        payload = worded(template, wording)
        with self._lock:
            if self._has_words(request.of_offset):
                raise BadInput(_again(request.of_offset))
            if not self._enter(SummaryWorded(payload)):
                raise BadInput(f"summary_text: {_BUSY}")
            self._entered.add(request.of_offset)
            self._counts.worded += 1
            self._counts.last_seconds = round(request.seconds, 3)

    def _wordable(self, of_offset: int) -> dict[str, Any]:
        """The template's record, where a text for it is judged."""
        with self._lock:
            known, again = of_offset in self._templates, self._has_words(of_offset)
            if known:
                self._tries[of_offset] += 1
            payload, tries = self._templates.get(of_offset), self._tries[of_offset]
            first, last = next(iter(self._templates), None), next(reversed(self._templates), None)
        if again:
            raise BadInput(_again(of_offset))
        if not known:
            raise BadInput(
                f"summary_text: of_offset {of_offset}: allowed one of the newest {MOST_KEPT} summaries of the template "
                f"({'none yet' if first is None else f'{first} to {last}'})"
            )
        if tries > MOST_TRIES:
            raise BadInput(
                f"summary_text: of_offset {of_offset}: text {tries} for it, allowed {MOST_TRIES} at most"
            )
        return unpack_result(self._recalled(of_offset) if payload is None else payload)

    def _has_words(self, of_offset: int) -> bool:
        return of_offset in self._entered or of_offset in self._worded

    def _recalled(self, of_offset: int) -> bytes:
        """The template's record, from the journal."""
        try:
            record = next(self._read(of_offset), None)
        except OSError as err:
            raise BadInput(
                f"summary_text: of_offset {of_offset}: journal: {err.strerror}, ask again"
            ) from err
        if record is None or record.offset != of_offset or record.topic != "summary":
            raise BadInput(f"summary_text: of_offset {of_offset}: the journal holds it no more")
        with self._lock:
            if of_offset in self._templates:
                self._templates[of_offset] = record.payload
        return record.payload

    def _judge(self, request: SummaryText, template: Mapping[str, Any]) -> None:
        """Refuse what the facts do not support.

        Raises:
            BadInput: One line with what is not true, or not allowed here.
        """
        config = self._config
        if not config.is_worded or (request.source == "llm-free" and config.mode != "free"):
            raise BadInput(
                f"summary_text: source {request.source!r}: not allowed with summary.mode = {config.mode!r}"
                f"{'' if config.llm else ' and no summary.llm'}"
            )
        if request.llm.name != config.llm_name:
            raise BadInput(
                f"summary_text: llm.name {request.llm.name!r}: allowed {config.llm_name!r}, as configured"
            )
        if request.llm.binding not in BINDINGS:
            raise BadInput(
                f"summary_text: llm.binding {request.llm.binding!r}: allowed {', '.join(BINDINGS)}"
            )
        facts = _facts(template)
        try:
            fault = _fault(request, facts)
        except BadInput:
            raise
        except Exception as err:  # costs the text, and never the thread that answers everybody
            logger.exception(
                "the judge of summaries failed at a text for offset %d",
                request.of_offset,
                extra=about(offset=request.of_offset),
            )
            fault = f"it could not be judged ({type(err).__name__})"
        if fault is not None:
            raise BadInput(f"summary_text: text: {fault}")


def _fault(request: SummaryText, facts: Facts) -> str | None:
    """What in a text the facts do not support; raises `BadInput` for a style or language there is not."""
    plan = plan_of(facts, _style(request.style), request.language)
    if request.source == "llm-grammar":
        return None if says(plan, request.text) else "not one that the plan of these facts can say"
    if request.language != FREE_LANGUAGE:
        return f"free, in {request.language!r}: allowed {FREE_LANGUAGE!r}"
    if not request.text.isprintable():
        return "a character that is not shown"
    from phenostream.engine.summary.verify import faults  # a tenth of a start, for few sites

    return next((str(one) for one in faults(request.text, facts)), None)


def _facts(template: Mapping[str, Any]) -> Facts:
    """Raises `BadMessage` where another version wrote them."""
    return Facts.from_dict(template.get("facts"))


def _style(name: str) -> Style:
    for style in STYLES:
        if style == name:
            return style
    raise BadInput(f"summary_text: style {name!r}: allowed {', '.join(STYLES)}")


def _again(of_offset: int) -> str:
    return f"summary_text: of_offset {of_offset}: worded already, allowed once"
