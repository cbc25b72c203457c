"""Which runs of a stream of records are open: to know when there is nothing more to wait for."""

from dataclasses import dataclass, field

from phenostream.daemon.client.records import Record


@dataclass(slots=True)
class OpenRuns:
    """Runs that were seen and have not ended.

    Attributes:
        open: Their ids, in the order they were first seen.
        any_ended: Whether a run has ended.
        unworded: Offsets of summaries of whole runs that have the template's words and, so far, no others.
    """

    open: dict[str, None] = field(default_factory=dict)
    any_ended: bool = False
    unworded: set[int] = field(default_factory=set)

    def take(self, record: Record) -> None:
        """Count a record."""
        run, event = record.facts.get("run"), record.facts.get("event")
        if record.topic == "status" and event == "run_ended":
            self.any_ended = True
            self.open.pop(str(run), None)
        elif run is not None and (record.topic == "result" or event == "run_started"):
            self.open[str(run)] = None
        elif record.topic == "summary" and record.facts.get("of_offset") is not None:
            self.unworded.discard(record.facts["of_offset"])
        elif record.topic == "summary" and record.facts.get("scope") == "run":
            self.unworded.add(record.offset)

    @property
    def all_ended(self) -> bool:
        """A run has ended and none is open."""
        return self.any_ended and not self.open
