"""Lies planted in true summaries: what a checker of truth must find, or its silence about others says nothing.

Each changes one thing in a text so that what it says is false, unsupported or missing. Knows the facts and the text,
and no wording: a text in which there is nothing of a kind to falsify has no lie of that kind.
"""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from phenostream.engine.summary.facts import ClassFacts, Facts
from tests.truth.tokens import markers_of

_FOREIGN_CELLS: Final = ("eosinophil", "platelet", "blast", "basophil", "macrophage")
_FOREIGN_MARKERS: Final = ("CD34", "CD8", "CD20", "Ki-67")
_OPPOSITES: Final = (
    ("higher", "lower"), ("rose", "fell"), ("up", "down"), ("more", "fewer"), ("more", "less"), ("above", "below"),
    ("increased", "decreased"), ("larger", "smaller"), ("rise", "fall"), ("grew", "shrank"), ("risen", "fallen"),
    ("most", "least"), ("gained", "lost"), ("climbed", "dropped"), ("increase", "decrease"), ("upward", "downward"),
)  # fmt: skip
_RELABELLED: Final = (
    ("frames", "cells"), ("frame", "cell"), ("cells", "frames"), ("rejected", "classified"),
    ("classified", "rejected"), ("median", "mean"), ("mean", "median"), ("confidence", "accuracy"),
    ("estimated", "measured"), ("flagged", "discarded"), ("uncalibrated", "calibrated"), ("simulated", "real"),
    ("synthetic", "genuine"), ("missing", "dropped"),
)  # fmt: skip
_INVENTED: Final = (
    "The sample looks healthy.",
    "Viability was 97 %.",
    "This suggests an acute infection.",
    "The picture is consistent with leukaemia.",
    "Treatment should be considered.",
    "All frames were in perfect focus.",
    "There is a mean of 182.4 cells per square millimeter.",
    "Neighbouring wells agree.",
    "No changes were found.",
)
_NUMBER: Final = re.compile(r"(?<!below )(?<!unter )(?<![\w.,/-])\d[\d,]*(?:\.\d+)?(?![\w/-])")


@dataclass(frozen=True, slots=True)
class Lie:
    """A text in which one thing was falsified, and what."""

    kind: str
    text: str


def lies(text: str, facts: Facts, rng: random.Random) -> Iterator[Lie]:
    """One of each kind, as far as the text has something to falsify."""
    for kind, falsify in _KINDS.items():
        changed = falsify(text, facts, rng)
        if changed is not None and changed != text:
            yield Lie(kind, changed)


def _another_number(text: str, facts: Facts, rng: random.Random) -> str | None:
    spans = _numbers(text, facts)
    if not spans:
        return None
    start, end = rng.choice(spans)
    digits = text[start:end]
    place = rng.choice([i for i, c in enumerate(digits) if c.isdigit()])
    far = [d for d in "123456789" if abs(int(d) - int(digits[place])) > 1]  # no other rounding
    digit = rng.choice(far)
    return text[:start] + digits[:place] + digit + digits[place + 1 :] + text[end:]


def _two_numbers_exchanged(text: str, facts: Facts, rng: random.Random) -> str | None:
    spans = _numbers(text, facts)
    rng.shuffle(spans)
    for a in spans:
        for b in spans:
            if a < b and text[slice(*a)] != text[slice(*b)]:
                return _exchanged(text, a, b)
    return None


def _a_number_in_ten(text: str, facts: Facts, rng: random.Random) -> str | None:
    """A decimal point moved, or a zero added."""
    spans = [span for span in _numbers(text, facts) if float(_plain(text[slice(*span)]))]
    if not spans:
        return None
    start, end = rng.choice(spans)
    return f"{text[:start]}{float(_plain(text[start:end])) * 10:g}{text[end:]}"


def _two_classes_exchanged(text: str, facts: Facts, rng: random.Random) -> str | None:
    named = [one for one in facts.classes if _named(text, one)]
    pairs = [(a, b) for a in named for b in named if a.count < b.count]
    if not pairs:
        return None
    a, b = rng.choice(pairs)
    return _renamed(text, {a.name: b.name, b.name: a.name})


def _a_foreign_cell(text: str, facts: Facts, rng: random.Random) -> str | None:
    named = [one for one in facts.classes if _named(text, one)]
    if not named:
        return None
    known = " ".join(one.name for one in facts.classes)
    foreign = [name for name in _FOREIGN_CELLS if name not in known]
    return _renamed(text, {rng.choice(named).name: rng.choice(foreign)})


def _two_markers_exchanged(text: str, facts: Facts, rng: random.Random) -> str | None:
    single = [name for name in markers_of(facts) if "/" not in name and _spans(text, name)]
    pairs = [(a, b) for a in single for b in single if a < b and _differ(facts, a, b)]
    if not pairs:
        return None
    a, b = rng.choice(pairs)
    return _renamed(text, {a: b, b: a})


def _a_foreign_marker(text: str, facts: Facts, rng: random.Random) -> str | None:
    named = [name for name in markers_of(facts) if "/" not in name and _spans(text, name)]
    if not named:
        return None
    known = " ".join(markers_of(facts))
    foreign = [name for name in _FOREIGN_MARKERS if name not in known]
    return _renamed(text, {rng.choice(named): rng.choice(foreign)})


def _another_unit(text: str, facts: Facts, rng: random.Random) -> str | None:
    if not facts.marker_unit or facts.marker_unit not in text:
        return None
    return text.replace(facts.marker_unit, rng.choice(["pg/ml", "cells/µl", "molecules", "mm"]), 1)


def _a_direction_turned(text: str, _: Facts, rng: random.Random) -> str | None:
    both = [*_OPPOSITES, *((b, a) for a, b in _OPPOSITES)]
    return _one_word(text, both, rng)


def _something_relabelled(text: str, _: Facts, rng: random.Random) -> str | None:
    return _one_word(text, list(_RELABELLED), rng)


def _a_false_majority(text: str, facts: Facts, _: random.Random) -> str | None:
    wrong = [one for one in facts.classes if 2 * one.count <= facts.classified]
    if not wrong or not facts.classified:
        return None
    return f"Mostly {wrong[0].name}s. {text}"


def _negated(text: str, _: Facts, rng: random.Random) -> str | None:
    verbs = [("were", "were not"), ("are", "are not"), ("is", "is not"), ("was", "was not")]
    verbs += [("not a diagnosis", "a diagnosis"), ("cannot", "can"), ("does not", "does")]
    return _one_word(text, verbs, rng)


def _a_caveat_dropped(text: str, _: Facts, rng: random.Random) -> str | None:
    sentences = re.split(r"(?<=\.)\s+(?=[A-Z])", text)
    return " ".join(sentences[:-1]) if len(sentences) > 1 else None


def _something_invented(text: str, _: Facts, rng: random.Random) -> str | None:
    sentences = re.split(r"(?<=\.)\s+(?=[A-Z])", text)
    place = rng.randrange(len(sentences))
    return " ".join([*sentences[:place], rng.choice(_INVENTED), *sentences[place:]])


_KINDS: Final[dict[str, Callable[[str, Facts, random.Random], str | None]]] = {
    "another number": _another_number,
    "two numbers exchanged": _two_numbers_exchanged,
    "a number ten times as large": _a_number_in_ten,
    "two classes exchanged": _two_classes_exchanged,
    "a foreign cell type": _a_foreign_cell,
    "two markers exchanged": _two_markers_exchanged,
    "a foreign marker": _a_foreign_marker,
    "another unit": _another_unit,
    "a direction turned": _a_direction_turned,
    "something relabelled": _something_relabelled,
    "a false majority": _a_false_majority,
    "a verb negated": _negated,
    "the caveat dropped": _a_caveat_dropped,
    "something invented": _something_invented,
}


def _one_word(text: str, pairs: list[tuple[str, str]], rng: random.Random) -> str | None:
    """One of the words that are there, once, in place of another."""
    found = [(match, new) for old, new in pairs for match in re.finditer(rf"\b{old}\b", text)]
    if not found:
        return None
    match, new = rng.choice(found)
    return text[: match.start()] + new + text[match.end() :]


def _numbers(text: str, facts: Facts) -> list[tuple[int, int]]:
    """Where numbers stand that are no part of a name."""
    names = [facts.model, facts.marker_unit, facts.instrument, *(one.name for one in facts.classes)]
    for marker in markers_of(facts):
        names += [marker, *marker.split("/")]
    names += [one.name for one in facts.comparisons]
    taken = [span for name in names if name for span in _spans(text, name)]
    return [
        match.span()
        for match in _NUMBER.finditer(text)
        if not any(start < match.end() and match.start() < end for start, end in taken)
    ]


def _spans(text: str, name: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(rf"(?<!\w){re.escape(name)}s?(?!\w)", text)]


def _named(text: str, one: ClassFacts) -> bool:
    return bool(_spans(text, one.name))


def _differ(facts: Facts, a: str, b: str) -> bool:
    """Whether every class has other values of one marker than of the other."""
    for one in facts.classes:
        of = {marker.name: marker.median for marker in one.markers}
        if a in of and b in of and abs(of[a] - of[b]) <= 0.02 * max(abs(of[a]), abs(of[b])):
            return False
    return True


def _renamed(text: str, names: dict[str, str]) -> str:
    either = "|".join(re.escape(name) for name in names)
    return re.sub(rf"(?<!\w)({either})(?=s?(?!\w))", lambda match: names[match[1]], text)


def _exchanged(text: str, a: tuple[int, int], b: tuple[int, int]) -> str:
    return text[: a[0]] + text[slice(*b)] + text[a[1] : b[0]] + text[slice(*a)] + text[b[1] :]


def _plain(digits: str) -> str:
    return digits.replace(",", "")
