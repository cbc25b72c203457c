"""Several seeds of one protocol as one closed document, with what they say about the published numbers (SPEC g.4).

Only the shape and the meaning; `reproduce` fills it.
"""

from typing import Literal

from pydantic import Field

from phenostream.trainer.evaluation.schema.document import DataFacts, Evaluation
from phenostream.trainer.evaluation.schema.figure import Closed


class SeedSpread(Closed):
    """One figure over the seeds.

    Attributes:
        name: Such as ``accuracy`` or ``r CD16, linear``.
        mean: Over the seeds that have it.
        sd: Sample standard deviation over them; None for one seed.
        values: One per seed, in order; None where a seed has no such figure.
    """

    name: str
    mean: float
    sd: float | None
    values: tuple[float | None, ...]


class Gap(Closed):
    """One figure under one protocol minus the same under another, means over seeds.

    Attributes:
        name: Such as ``paper minus clean``.
        figure: Such as ``accuracy``.
        value: The difference.
        sd: Of the difference over seeds, root sum of squares; None where a side has one seed.
    """

    name: str
    figure: str
    value: float
    sd: float | None


class Verdict(Closed):
    """One published figure against ours.

    Attributes:
        name: Such as ``accuracy``.
        reproduced: None where there is no figure of ours to compare, or it was refused.
        published: The published number.
        tolerance: Within this of it, ours counts as reproduced.
        text: The whole sentence: "reproduced: ..." or "not reproduced: x against y ± z".
    """

    name: str
    reproduced: bool | None
    published: float
    tolerance: float
    text: str


class Reproduction(Closed):
    """Several seeds of one protocol.

    Attributes:
        protocol: As in `DataFacts`.
        quick: A shortened run: its numbers say that the pipeline works, not what the model can do.
        synthetic: The cells are simulated.
        seeds: In order of `evaluations`.
        data: What is known of the cells; the same in every evaluation.
        refusal: Why nothing was trained; None where something was.
        evaluations: One per seed.
        spread: Mean and sd over seeds of the figures that matter.
        gaps: Against other protocols run on the same data; empty where there is none.
        verdicts: Against the published numbers.
        checks: Structural checks with their outcome, such as disjoint splits.
        notes: For the reader.
    """

    format_version: Literal[1] = 1
    protocol: str
    quick: bool
    synthetic: bool
    seeds: tuple[int, ...]
    data: DataFacts | None = None
    refusal: str | None = None
    evaluations: tuple[Evaluation, ...]
    spread: tuple[SeedSpread, ...] = ()
    gaps: tuple[Gap, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    checks: dict[str, bool] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def refusals(self) -> tuple[str, ...]:
        """Why there is no headline, each reason once; empty where there is one."""
        told = [self.refusal, *(one.headline.refusal for one in self.evaluations)]
        return tuple(dict.fromkeys(reason for reason in told if reason))
