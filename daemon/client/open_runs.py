"""Which runs of a stream of records are open: to know when there is nothing more to wait for."""

from dataclasses import dataclass, field

from phenostream.daemon.client.records import Record


@dataclass(slots=True)
class OpenRuns:
    """Runs that were seen and have not ended.

    Attributes:
        open: Their ids, in the order they were first seen.
        any_ended: Whether a run has ended.
    """

    open: dict[str, None] = field(default_factory=dict)
    any_ended: bool = False

    def take(self, record: Record) -> None:
        """Count a record."""
        run, event = record.facts.get("run"), record.facts.get("event")
        if record.topic == "status" and event == "run_ended":
            self.any_ended = True
            self.open.pop(str(run), None)
        elif run is not None and (record.topic == "result" or event == "run_started"):
            self.open[str(run)] = None

    @property
    def all_ended(self) -> bool:
        """A run has ended and none is open."""
        return self.any_ended and not self.open
