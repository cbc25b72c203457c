"""Two runs side by side: which figures differ by more than chance, and whether they may be compared at all."""

from collections.abc import Iterator, Sequence

from phenostream.engine.errors import BadInput
from phenostream.trainer.evaluation.compared_figures import (
    SECTIONS,
    Better,
    Named,
    difference,
    figures_of,
    over_seeds,
)
from phenostream.trainer.evaluation.schema.document import Evaluation
from phenostream.trainer.evaluation.schema.figure import Closed, Count, Figure
from phenostream.trainer.evaluation.schema.reproduction import Reproduction


class Side(Closed):
    """One of the two runs.

    Attributes:
        model: With its version; the first of several seeds.
        data: Name of the data set.
        protocol: How it was split.
        synthetic: Cells or weights are simulated.
        seeds: Trainings it stands for.
        refusal: Why it has no headline.
    """

    model: str
    data: str
    protocol: str
    synthetic: bool
    seeds: Count
    refusal: str | None


class Row(Closed):
    """One figure in both runs.

    Attributes:
        section: Of the report.
        name: Of the figure.
        better: ``higher``, ``lower`` or ``neither``.
        first: None where the first run lacks it; of several seeds the mean.
        second: Likewise.
        difference: Second minus first; None where one is missing or the runs are not comparable.
        verdict: ``better``, ``worse`` or ``different`` where the interval of the difference excludes 0; ``no
            difference shown`` where it does not; None without a difference or without an interval.
    """

    section: str
    name: str
    better: Better
    first: Figure | None
    second: Figure | None
    difference: Figure | None
    verdict: str | None


class Comparison(Closed):
    """What may be said about two runs.

    Attributes:
        first: The run that is compared with.
        second: The run that is compared.
        obstacles: Why no difference is given; empty where the runs are comparable.
        notes: What a difference mixes, and how its interval was made.
        rows: Every figure that either run has.
    """

    first: Side
    second: Side
    obstacles: tuple[str, ...]
    notes: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def comparable(self) -> bool:
        """Differences are given."""
        return not self.obstacles

    @property
    def synthetic(self) -> bool:
        """Either run is."""
        return self.first.synthetic or self.second.synthetic


def compare(first: Evaluation | Reproduction, second: Evaluation | Reproduction) -> Comparison:
    """Second against first; a difference is always second minus first.

    Args:
        first: One evaluation, or several seeds of one protocol.
        second: Likewise; runs of one seed and of several may be compared.

    Raises:
        BadInput: A run holds no evaluation.
    """
    left, right = _evaluations(first), _evaluations(second)
    obstacles = tuple(_obstacles(left, right))
    return Comparison(
        first=_side(left),
        second=_side(right),
        obstacles=obstacles,
        notes=tuple(_notes(first, second)),
        rows=tuple(_rows(_figures(left), _figures(right), comparable=not obstacles)),
    )


def _evaluations(document: Evaluation | Reproduction) -> tuple[Evaluation, ...]:
    if not isinstance(document, Reproduction):
        return (document,)
    if not document.evaluations:
        raise BadInput("a run without any evaluation: nothing to compare")
    return document.evaluations


def _side(evaluations: Sequence[Evaluation]) -> Side:
    one = evaluations[0]
    return Side(
        model=one.subject.name,
        data=one.data.facts.name,
        protocol=one.data.facts.protocol,
        synthetic=any(each.synthetic for each in evaluations),
        seeds=len(evaluations),
        refusal=next((each.headline.refusal for each in evaluations if each.headline.refusal), None),
    )  # fmt: skip


def _figures(evaluations: Sequence[Evaluation]) -> dict[tuple[str, str], Named]:
    """Figures that every seed has, each the mean over the seeds."""
    many: dict[tuple[str, str], list[Named]] = {}
    for evaluation in evaluations:
        for one in figures_of(evaluation):
            many.setdefault(one.key, []).append(one)
    return {
        key: Named(*key, found[0].better, over_seeds([one.figure for one in found]))
        for key, found in many.items()
        if len(found) == len(evaluations)
    }


def _rows(
    first: dict[tuple[str, str], Named], second: dict[tuple[str, str], Named], *, comparable: bool
) -> Iterator[Row]:
    keys = sorted(dict.fromkeys([*first, *second]), key=lambda key: SECTIONS.index(key[0]))
    for key in keys:
        left, right = first.get(key), second.get(key)
        better = (left or second[key]).better
        found = difference(left.figure, right.figure) if comparable and left and right else None
        yield Row(
            section=key[0],
            name=key[1],
            better=better,
            first=left.figure if left else None,
            second=right.figure if right else None,
            difference=found,
            verdict=_verdict(found, better),
        )


def _verdict(found: Figure | None, better: Better) -> str | None:
    if found is None or found.low is None:
        return None
    if not found.excludes_zero:
        return "no difference shown"
    if better == "neither":
        return "different"
    return "better" if (found.value > 0) == (better == "higher") else "worse"


def _obstacles(first: Sequence[Evaluation], second: Sequence[Evaluation]) -> Iterator[str]:
    """Why figures of these runs must not be subtracted."""
    left, right = first[0].data.facts, second[0].data.facts
    if left.synthetic != right.synthetic:
        yield "one run is on simulated cells, the other on measured ones"
    if left.name != right.name:
        yield f"different data sets: {left.name} and {right.name}"
    for name in sorted(left.hashes.keys() & right.hashes.keys()):
        if "split" not in name and left.hashes[name] != right.hashes[name]:
            yield f"different files under the same name: SHA-256 of {name}"
    for which, many in (("first", first), ("second", second)):
        refusal = next((one.headline.refusal for one in many if one.headline.refusal), None)
        if refusal:
            yield f"the {which} run has no headline: {refusal}"


def _notes(first: Evaluation | Reproduction, second: Evaluation | Reproduction) -> Iterator[str]:
    """What to know before believing a difference."""
    left, right = _evaluations(first), _evaluations(second)
    protocols = left[0].data.facts.protocol, right[0].data.facts.protocol
    if protocols[0] != protocols[1]:
        yield (
            f"The splits differ ({protocols[0]} and {protocols[1]}): a difference is one of split and model together."
        )  # fmt: skip
    elif _test_cells(left) != _test_cells(right):
        yield "The test cells differ: a difference is one of cells and model together."
    else:
        yield (
            "Both were measured on the same test cells. The interval of a difference takes them as independent and is "
            "wider than need be."
        )
    for which, document in (("first", first), ("second", second)):
        if isinstance(document, Reproduction) and document.quick:
            yield f"The {which} is a quick run: its figures say that the pipeline works, not what the model can do."
    if len(left) == 1 or len(right) == 1:
        yield "A run of one seed knows nothing of the luck of its training: another seed may differ as much."


def _test_cells(evaluations: Sequence[Evaluation]) -> set[str]:
    return {part.sha256 for one in evaluations for part in one.data.parts if part.name == "test"}
