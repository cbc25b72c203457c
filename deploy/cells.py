"""One cell among all results that were told, by its name: run / frame / number in the frame."""

from dataclasses import dataclass
from typing import Self

from phenostream.daemon.wire.results import FrameRecord
from phenostream.deploy.told import Told
from phenostream.engine.errors import BadConfig, BadInput
from phenostream.engine.summary.cell import CellFacts, cell_facts


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
        BadInput: There is no such frame, or no such cell in it, or its result cannot be explained.
    """
    frame = _frame(told, name, where)
    columns = {column: held.values for column, held in frame.columns.items()}
    return cell_facts(frame.meta, columns, name.index)


def _frame(told: Told, name: CellName, where: str) -> FrameRecord:
    for stretch in told.stretches("result"):
        found = None
        for record in stretch:
            meta = record.facts
            if meta.get("frame_seq") == name.frame_seq and str(meta.get("run")).endswith(name.run):
                found = record.frame
        if found is not None:
            return found
    raise BadInput(f"{where}: holds no result of frame {name.frame_seq} of run {name.run}")
