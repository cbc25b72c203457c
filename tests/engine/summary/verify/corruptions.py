"""Lies made of true texts: each kind takes one and returns one that says something else, or None where it cannot.

What a kind returns is false, or unsupported, whatever the text was: two equal numbers are not swapped, a class is not
renamed to one of the same size. They know nothing of how the verifier reads.
"""

import re
from collections.abc import Callable
from random import Random
from typing import Final

from phenostream.engine.summary.facts import ClassFacts, Facts
from tests.engine.summary.verify.false_words import (
    DIAGNOSES,
    FOREIGN,
    INVENTIONS,
    MAJORITIES,
    OPPOSITES,
    SUPERLATIVES,
    UNITS,
)

Corruption = Callable[[str, Facts, Random], str | None]

_NUMBER: Final = re.compile(r"(?<![\w“.,-])\d[\d,]*(?:\.\d+)?(?![\w”]|-\d)")
_CAVEAT: Final = "Research use only, not a diagnosis."
_HIDDEN: Final = "\u202e\u200b\u0430\u0435\x1b\n\u00a0<`"


def swap(text: str, facts: Facts, rng: Random) -> str | None:
    """Two different numbers change places."""
    found = list(_NUMBER.finditer(text))
    pairs = [
        (one, other)
        for place, one in enumerate(found)
        for other in found[place + 1 :]
        if _differ(one.group(), other.group())
    ]
    if not pairs:
        return None
    one, other = rng.choice(pairs)
    between = text[one.end() : other.start()]
    return f"{text[: one.start()]}{other.group()}{between}{one.group()}{text[other.end() :]}"


def misround(text: str, facts: Facts, rng: Random) -> str | None:
    """A number a little, or by a power of ten, beside what it was."""
    found = [
        one for one in _NUMBER.finditer(text) if not text[: one.start()].endswith(("below ", "p "))
    ]
    if not found:
        return None
    one = rng.choice(found)
    written = one.group().replace(",", "")
    decimals = len(written.partition(".")[2])
    step = 10.0**-decimals
    value = float(written)
    changed = rng.choice(
        (value + step, value + 2 * step, value + 7 * step, 10 * value + step, round(value, -1) + 10)
    )
    return f"{text[: one.start()]}{changed:,.{decimals}f}{text[one.end() :]}"


def negate(text: str, facts: Facts, rng: Random) -> str | None:
    """A verb is denied, or a denial taken away."""
    if rng.random() < 0.3:
        return _without_denial(text, rng)
    verbs = [
        found
        for found in re.finditer(r"\b(were|was|are|is|have)\b(?! (not|no|made|quite))", text)
        if not re.search(
            r"\b(no|none|not|nothing|cannot)\b", _sentence_of(text, found.start()), re.IGNORECASE
        )
    ]
    if not verbs:
        return None
    verb = rng.choice(verbs)
    return f"{text[: verb.end()]} not{text[verb.end() :]}"


def _without_denial(text: str, rng: Random) -> str | None:
    swaps = (
        (" not a white cell", " a white cell"),
        ("only, not a", "only, a"),
        ("No class", "One class"),
    )
    known = [(said, denied) for said, denied in swaps if said in text]
    if not known:
        return None
    said, denied = rng.choice(known)
    return text.replace(said, denied)


def invent(text: str, facts: Facts, rng: Random) -> str | None:
    """A sentence of something that nobody measured."""
    return _inserted(text, rng.choice(INVENTIONS), rng)


def relabel(text: str, facts: Facts, rng: Random) -> str | None:
    """One class is called by the name of another of a different size, where it stands with a number."""
    found = [
        (match, other)
        for one in facts.classes
        for match in re.finditer(_name_of(one.name), text, re.IGNORECASE)
        for other in facts.classes
        if other.count != one.count and _markers_differ(one, other) and _is_counted(text, match)
    ]
    if not found:
        return None
    match, other = rng.choice(found)
    return f"{text[: match.start()]}{other.name}{text[match.end() :]}"


def exchange(text: str, facts: Facts, rng: Random) -> str | None:
    """Two classes of different size change names in a sentence that counts or ranks them."""
    pairs = [
        (one.name, other.name)
        for one in facts.classes
        for other in facts.classes
        if one.count > other.count and _markers_differ(one, other)
    ]
    rng.shuffle(pairs)
    for one, other in pairs:
        both = re.compile(f"{_name_of(one)}|{_name_of(other)}", re.IGNORECASE)
        sentences = [s for s in _sentences(text) if _ranks(s, both)]
        if sentences:
            said = rng.choice(sentences)
            return text.replace(said, _exchanged(said, both, one, other), 1)
    return None


def _exchanged(said: str, both: re.Pattern[str], one: str, other: str) -> str:
    names = {one.lower(): other, other.lower(): one}
    return both.sub(lambda match: names[match.group().lower()], said)


def unit(text: str, facts: Facts, rng: Random) -> str | None:
    """A number gets a unit that it does not have, or a share loses its own."""
    found = [one for one in _NUMBER.finditer(text) if not text[: one.start()].endswith("below ")]
    if not found:
        return None
    one = rng.choice(found)
    end = re.compile(r"\s?(%|percent)").match(text, one.end())
    if end is not None and rng.random() < 0.5 and not re.match(r" (to|and) \d", text[end.end() :]):
        return f"{text[: one.end()]}{text[end.end() :]}"
    after = one.end() if end is None else end.end()
    return f"{text[: one.end()]} {rng.choice(UNITS)}{text[after:]}"


def direction(text: str, facts: Facts, rng: Random) -> str | None:
    """Up becomes down, more becomes fewer."""
    return _replaced(text, OPPOSITES, rng)


def superlative(text: str, facts: Facts, rng: Random) -> str | None:
    """Largest becomes smallest, or a majority is claimed of a class that has none."""
    if (changed := _replaced(text, SUPERLATIVES, rng)) is not None and rng.random() < 0.5:
        return changed
    minor = [one for one in facts.classes if 2 * one.count <= facts.classified]
    if not minor or not facts.classified:
        return None
    said = rng.choice(MAJORITIES).format(_plural(rng.choice(minor).name))
    return _inserted(text, f"The classified cells: {said}.", rng)


def loop(text: str, facts: Facts, rng: Random) -> str | None:
    """A sentence, or a part of one with a number, again and again."""
    parts = [part for part in re.split(r"(?<=[.;,]) ", text) if _NUMBER.search(part)]
    if not parts:
        return None
    part = rng.choice(parts)
    return text.replace(part, " ".join([part] * rng.randint(2, 6)), 1)


def foreign(text: str, facts: Facts, rng: Random) -> str | None:
    """A class becomes a kind of cell that the model does not know."""
    found = [
        match
        for one in facts.classes
        for match in re.finditer(f"{_name_of(one.name)}s?", text, re.IGNORECASE)
    ]
    known = {one.name.lower() for one in facts.classes}
    kinds = [
        kind
        for kind in FOREIGN
        if known.isdisjoint((kind.lower().removesuffix("s"), kind.lower().split()[0]))
    ]
    if not found:
        return _inserted(text, f"Some {rng.choice(kinds)} were seen.", rng)
    match = rng.choice(found)
    return f"{text[: match.start()]}{rng.choice(kinds)}{text[match.end() :]}"


def diagnosis(text: str, facts: Facts, rng: Random) -> str | None:
    """A sentence ends with a judgement of health."""
    stops = [found.start() for found in re.finditer(r"(?<!a\.u)\. ", text)]
    if not stops:
        return None
    stop = rng.choice(stops)
    return f"{text[:stop]}, {rng.choice(DIAGNOSES)}{text[stop:]}"


def hedge(text: str, facts: Facts, rng: Random) -> str | None:
    """A number becomes a bound that it is not."""
    found = list(_NUMBER.finditer(text))
    if not found:
        return None
    one = rng.choice(found)
    bound = rng.choice(("more than", "fewer than", "nearly", "over", "almost", "another"))
    return f"{text[: one.start()]}{bound} {text[one.start() :]}"


def misattach(text: str, facts: Facts, rng: Random) -> str | None:
    """True numbers in a sentence that makes one of them a part of the other."""
    said = [one for one in facts.classes if one.count]
    if len(said) < 2:
        return None
    one, other = rng.sample(said, 2)
    here, there = _plural(one.name), _plural(other.name)
    lies = [
        f"Of the {one.count:,} {here}, {other.count:,} were {there}.",
        f"{one.count:,} {here} ({other.count:,} {there}) were found.",
        f"The {one.count:,} {here} were {other.count:,} {there}.",
    ]
    if facts.rejected:
        lies += [
            f"{facts.rejected:,} cells were rejected, mostly {here}.",
            f"{facts.rejected:,} cells were rejected, of which {one.count:,} were {here}.",
        ]
    return _inserted(text, rng.choice(lies), rng)


def statistic(text: str, facts: Facts, rng: Random) -> str | None:
    """A median is called a mean, a maximum or a total."""
    found = list(re.finditer(r"\b[Mm]edian\b", text))
    if not found:
        return None
    one = rng.choice(found)
    return f"{text[: one.start()]}{rng.choice(('mean', 'average', 'maximum', 'total'))}{text[one.end() :]}"


def unpool(text: str, facts: Facts, rng: Random) -> str | None:
    """A pooled marker is told as one of its proteins."""
    found = re.search(
        r"at least one of (\S+?)(?:,| or) [^(;:.\d]*?or [A-Z]\S*( \(pooled[^)]*\))?", text
    )
    if found is None:
        return None
    return f"{text[: found.start()]}{found.group(1).strip(',')}{text[found.end() :]}"


def bare(text: str, facts: Facts, rng: Random) -> str | None:
    """What must be said is left out."""
    if facts.synthetic and rng.random() < 0.5:
        told = re.sub(r"Synthetic: [^.]*\. ", "", text)
        return None if "simulated" in told else told
    return text.replace(_CAVEAT, rng.choice(("", "Not for research.", "A diagnosis."))).strip()


def omit(text: str, facts: Facts, rng: Random) -> str | None:
    """That frames were flagged, or are not in it, or that something has drifted, is left out."""
    parts = [
        *re.findall(
            r"; (?:physics checks flagged|\d[\d,]* frames? (?:was|were) flagged)[^.;]*", text
        ),
        *re.findall(r" \([^()]*(?:announced|seen by another model)[^()]*\)", text),
        *re.findall(
            r"(?:(?<=\. )|^)(?!No)[^.]*(?:flagged|announced|seen by another model)[^.]*\. ", text
        ),
        *re.findall(r"(?:(?<=\. )|^)(?!No|Of \d+ [^.]*none)[^.;]*have drifted[^.;]*\. ", text),
    ]
    return text.replace(rng.choice(parts), "") if parts else None


def hide(text: str, facts: Facts, rng: Random) -> str | None:
    """A character that is not what it looks like, or is not seen."""
    place = rng.randrange(1, len(text))
    return text[:place] + rng.choice(_HIDDEN) + text[place:]


KINDS: Final[tuple[Corruption, ...]] = (
    swap,
    misround,
    negate,
    invent,
    relabel,
    exchange,
    unit,
    direction,
    superlative,
    loop,
    foreign,
    diagnosis,
    hedge,
    misattach,
    statistic,
    unpool,
    bare,
    omit,
    hide,
)


def _differ(one: str, other: str) -> bool:
    """By more than rounding could explain."""
    first, second = (float(text.replace(",", "")) for text in (one, other))
    return abs(first - second) > max(1.0, 0.01 * max(first, second))


def _markers_differ(one: ClassFacts, other: ClassFacts) -> bool:
    pairs = zip(one.markers, other.markers, strict=False)
    return all(
        abs(a.median - b.median) > 0.02 * max(abs(a.median), abs(b.median)) for a, b in pairs
    )


def _name_of(name: str) -> str:
    return rf"(?<![\w-]){re.escape(name)}(?=s?(?![\w-]))"


def _plural(name: str) -> str:
    return f"{name}s" if name.isalpha() or name.endswith(" cell") else f"{name} cells"


def _is_counted(text: str, match: re.Match[str]) -> bool:
    """A count or share of this class is told where it stands."""
    before = re.search(r"(\d|%|percent)( (cells?|cell) of class “| )$", text[: match.start()])
    after = re.match(r"s?”?( cells?)? \(\d", text[match.end() :])
    return bool(before or after)


def _ranks(sentence: str, names: re.Pattern[str]) -> bool:
    counted = any(_is_counted(sentence, match) for match in names.finditer(sentence))
    ranked = re.search(r"outnumber|than|largest|smallest|most|majority|highest|lowest", sentence)
    return bool(counted or (ranked and len(set(names.findall(sentence))) == 2))


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=[^.]\.) (?=[A-Z0-9“])", text)


def _sentence_of(text: str, place: int) -> str:
    start = text.rfind(". ", 0, place) + 1
    end = text.find(". ", place)
    return text[start : len(text) if end < 0 else end]


def _inserted(text: str, sentence: str, rng: Random) -> str:
    """Before one of the sentences, the caveat's at the latest."""
    places = [0, *(found.end() for found in re.finditer(r"(?<!a\.u)\. (?=[A-Z])", text))]
    place = rng.choice(places)
    return f"{text[:place]}{sentence} {text[place:]}"


def _replaced(text: str, words: dict[str, str], rng: Random) -> str | None:
    found = [
        (match, other)
        for word, other in words.items()
        for match in re.finditer(rf"\b{word}\b", text)
    ]
    if not found:
        return None
    match, other = rng.choice(found)
    return f"{text[: match.start()]}{other}{text[match.end() :]}"
