"""How often the verifier refuses what is true, and how often it finds what is not."""

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Final

from phenostream.engine.summary.facts import Facts, wilson_interval
from phenostream.engine.summary.verify import Fault, faults
from phenostream.engine.summary.wording import STYLES, plan_of
from tests.engine.summary.populations import population
from tests.engine.summary.verify.corruptions import KINDS
from tests.engine.summary.verify.paraphrases import paraphrase

PARAPHRASED: Final = "paraphrase"
_SHOWN: Final = 12


@dataclass(slots=True)
class Measured:
    """Counts by source of a true text, and by kind of a corruption.

    Attributes:
        true: Texts that are true.
        refused: Of these.
        false: Corruptions of those that were not refused.
        missed: Of these.
        shown: The first that were judged wrongly: seed, source or kind, text, and what was found.
    """

    true: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    shown: list[tuple[int, str, str, list[Fault]]] = field(default_factory=list)

    def note(self, seed: int, what: str, text: str, found: list[Fault]) -> None:
        """Keep one that was judged wrongly, if there is room."""
        if len(self.shown) < _SHOWN:
            self.shown.append((seed, what, text, found))


def measure(seeds: range) -> Measured:
    """Judge the true texts of these populations, and one corruption of each kind of each."""
    measured = Measured()
    for seed in seeds:
        facts = population(seed)
        rng = Random(seed)  # noqa: S311  # no secret
        for source, text in true_texts(facts, seed, rng).items():
            found = faults(text, facts)
            measured.true[source] += 1
            if found:
                measured.refused[source] += 1
                measured.note(seed, source, text, found)
            else:
                _corrupt(measured, facts, seed, text, rng)
    return measured


def true_texts(facts: Facts, seed: int, rng: Random) -> dict[str, str]:
    """One text of each style, with random choices, and one paraphrase."""
    texts: dict[str, str] = {}
    for style in STYLES:
        plan = plan_of(facts, style, "en")
        texts[style] = "".join(rng.choice(slot.alternatives) for slot in plan)
    return texts | {PARAPHRASED: paraphrase(facts, seed)}


def _corrupt(measured: Measured, facts: Facts, seed: int, text: str, rng: Random) -> None:
    for kind in KINDS:
        lie = kind(text, facts, rng)
        if lie is None or lie == text:
            continue
        name = kind.__name__
        measured.false[name] += 1
        if not faults(lie, facts):
            measured.missed[name] += 1
            measured.note(seed, name, lie, [])


def rate(count: int, total: int) -> dict[str, float | int]:
    """A count of a total, its share and the 95 % interval of that (Wilson)."""
    low, high = wilson_interval(count, total)
    share = count / total if total else 0.0
    return {"count": count, "total": total, "share": share, "low": low, "high": high}
