"""Ours against the published numbers: "reproduced", or "not reproduced: x against y ± z". Never a pass mark.

The published 91.3 % and 0.72 come from a random split by cell and from targets that its text and its code name
differently (SPEC a.6, c.2). So they are compared under the protocol `paper` only, and simulated cells reproduce
nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from phenostream.trainer.evaluation.schema.comparisons import Reference
from phenostream.trainer.evaluation.schema.reproduction import SeedSpread, Verdict
from phenostream.trainer.reproduce.spread import ACCURACY, CD16_LINEAR_R

WORDING: Final = "published, different split/targets unclear"
_SOURCE: Final = "arXiv 2605.14717 and the authors' model card"


@dataclass(frozen=True, slots=True)
class Published:
    """A published number and how near ours should come under `paper` (SPEC g.4).

    Attributes:
        figure: Name among the figures over seeds.
        value: As published.
        tolerance: Of the suggested gate.
        percent: Shown in per cent.
    """

    figure: str
    value: float
    tolerance: float
    percent: bool

    def shown(self, value: float) -> str:
        """A number of this kind for a person."""
        return f"{100 * value:.1f} %" if self.percent else f"{value:.3f}"


PUBLISHED: Final = (
    Published(ACCURACY, 0.913, 0.020, percent=True),
    Published(CD16_LINEAR_R, 0.726, 0.030, percent=False),
)

REFERENCES: Final = (
    Reference(name="accuracy", value=0.913, source=_SOURCE, wording=WORDING),
    Reference(name="r CD16, linear z (abstract)", value=0.72, source=_SOURCE, wording=WORDING),
    Reference(name="r CD16, linear z (table)", value=0.726, source=_SOURCE, wording=WORDING),
)
"""Rows beside ours in every evaluation of BSCCM cells."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides whether a comparison means anything."""

    protocol: str
    synthetic: bool
    quick: bool


def verdicts(
    spread: Sequence[SeedSpread], refusal: str | None, standing: Standing
) -> tuple[Verdict, ...]:
    """One sentence for each published number.

    Args:
        spread: Ours over seeds.
        refusal: Why there is no headline, and so no verdict; None where there is.
        standing: Of the run.
    """
    ours = {one.name: one for one in spread}
    return tuple(_verdict(one, ours.get(one.figure), refusal, standing) for one in PUBLISHED)


def _verdict(
    published: Published, ours: SeedSpread | None, refusal: str | None, standing: Standing
) -> Verdict:
    reproduced: bool | None = None
    against = f"{published.shown(published.value)} ± {published.shown(published.tolerance)}"
    if refusal is not None or ours is None:
        text = f"{published.figure}: no verdict, {refusal or 'there is no such figure'}"
    else:
        text = f"{published.figure} {_said(published, ours)} against {against} ({WORDING})"
        if standing.synthetic:
            reproduced = False
            text = (
                f"not reproduced: {text}: these cells are simulated (synthetic), and a synthetic mirror can reproduce "
                "nothing about blood, whatever its numbers"
            )
        elif standing.protocol != "paper":
            text = f"no verdict under {standing.protocol}, which asks for more than was published: {text}"
        else:
            reproduced = abs(ours.mean - published.value) <= published.tolerance
            text = f"{'reproduced' if reproduced else 'not reproduced'}: {text}"
        if standing.quick:
            text += "; a quick run, too short to judge the model by"
    return Verdict(
        name=published.figure,
        reproduced=reproduced,
        published=published.value,
        tolerance=published.tolerance,
        text=text,
    )


def _said(published: Published, ours: SeedSpread) -> str:
    seeds = sum(value is not None for value in ours.values)
    if ours.sd is None:
        return f"{published.shown(ours.mean)} (one seed)"
    return f"{published.shown(ours.mean)} (sd {published.shown(ours.sd)} over {seeds} seeds)"
