"""One cell among all results that were told, by its name: run / frame / number in the frame."""

from dataclasses import dataclass
from itertools import islice
from typing import Final, Self

from phenostream.daemon.wire.results import FrameRecord
from phenostream.deploy.told import Told
from phenostream.engine.errors import BadConfig, BadInput
from phenostream.engine.summary.cell import CellFacts, cell_facts

_RUNS_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class CellName:
    """Which cell.

    Attributes:
        run: The run's id, or the end of it.
        frame_seq: Number of the frame in its run.
        index: Number of the cell in its frame, in order of (y, x).
    """

    run: str
    frame_seq: int
    index: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """The cell that ``RUN/FRAME/INDEX`` names.

        Raises:
            BadConfig: It names none.
        """
        run, *numbers = text.split("/")
        if not run or len(numbers) != 2 or not all(n.isascii() and n.isdigit() for n in numbers):
            raise BadConfig(f"cell {text[:80]!r}: allowed RUN/FRAME/INDEX, such as 099a8057/3/12")
        return cls(run, int(numbers[0][:20]), int(numbers[1][:20]))


def explained_cell(told: Told, name: CellName, where: str) -> CellFacts:
    """What is known of a cell.

    Args:
        told: The results.
        name: Which cell.
        where: Their name, for a person.

    Raises:
        BadInput: There is no such run, no such frame, or no such cell in it, or its result cannot be explained.
    """
    frame = _frame(told, name, where)
    columns = {column: held.values for column, held in frame.columns.items()}
    return cell_facts(frame.meta, columns, name.index)


def _frame(told: Told, name: CellName, where: str) -> FrameRecord:
    runs: dict[str, None] = {}
    for stretch in told.stretches("result"):
        found = None
        for record in stretch:
            run = str(record.facts.get("run"))
            runs[run] = None
            if record.facts.get("frame_seq") == name.frame_seq and run.endswith(name.run):
                found = record.frame
        if found is not None:
            return found
    if not runs:
        raise BadInput(f"{where}: holds no result of any frame")
    if any(run.endswith(name.run) for run in runs):
        raise BadInput(f"{where}: holds no result of frame {name.frame_seq} of run {name.run}")
    held = ", ".join(islice(runs, _RUNS_NAMED)) + (", ..." if len(runs) > _RUNS_NAMED else "")
    raise BadInput(
        f"{where}: holds no result of a run {name.run!r}: allowed the end of the id of one that it holds ({held})"
    )
