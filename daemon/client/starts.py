"""What every run is, told once before anything of it: by its run_started record, or by the daemon if it began before.

Pure: knows records and the daemon's answer to ``runs``, nothing of sockets.
"""

from typing import Any

from phenostream.daemon.client.records import Record


class Starts:
    """The runs whose START was told.

    Attributes:
        introduced: Whether the runs that were open at the beginning have been asked for.
    """

    def __init__(self) -> None:
        """Nothing is known."""
        self.introduced = False
        self._told: set[str] = set()
        self._unknown: set[str] = set()

    def lacks(self, record: Record) -> bool:
        """Whether the record is of a run whose START was not told, and the daemon was not asked for it in vain."""
        run = record.facts.get("run")
        if run is None or record.facts.get("event") == "run_started":
            return False
        return run not in self._told and run not in self._unknown

    def take(self, record: Record) -> Record | None:
        """A record that is about to be delivered; it comes back if it is a START that was not told before."""
        run, event = record.facts.get("run"), record.facts.get("event")
        if event == "run_ended":
            self._told.discard(str(run))
            self._unknown.discard(str(run))
        if event != "run_started" or run in self._told:
            return None
        self._told.add(str(run))
        return record

    def absorb(
        self, runs: list[dict[str, Any]], begin: int | None, waiting: Record | None
    ) -> list[Record]:
        """The daemon's answer: the STARTs to tell now, as records of event ``run_open`` at their first offset.

        Args:
            runs: As answered.
            begin: Where this stream began: a run that starts behind it tells so by itself, when its turn comes.
            waiting: The record that is to be delivered next, if it is known; its run is told whatever its place.
        """
        self.introduced = True
        due = None if waiting is None else waiting.facts.get("run")
        opened = [
            Record("status", run["first_offset"], run)
            for run in runs
            if run["run"] not in self._told
            and (run["run"] == due or (begin is not None and run["first_offset"] < begin))
        ]
        self._told.update(record.facts["run"] for record in opened)
        if due is not None and due not in self._told:
            self._unknown.add(str(due))
        return opened
