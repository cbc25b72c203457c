"""Cells and frames: how many were found, and what became of them."""

from collections.abc import Callable
from typing import Final

from phenostream.engine.summary.facts import Facts
from phenostream.engine.summary.verify.pattern import Phrase
from phenostream.engine.summary.verify.reading import Reading, Sentence, Subject
from phenostream.engine.summary.verify.rules.rule import Rule, rules

_SEEN: Final = "(found|detected|seen|recorded|observed|counted)"
_CELLS: Final = "(cells|cell)"
_FRAMES: Final = "(frames|frame)"
_WERE: Final = "(were|was|are|is)"
_HOLD: Final = "(contain|contained|contains|hold|held|holds|show|showed|shows|gave|give|gives|yielded|yield|yields)"


def _found(r: Reading, phrase: Phrase) -> None:
    part = phrase.first and phrase.tokens[0].text in ("of", "out")
    of_a_share = part and r.tokens[phrase.first - 1].kind == "percent"
    r.true(not of_a_share, "binding", phrase, "a share of what it is of")
    r.count(phrase, "n", r.facts.found, "cells found")
    r.about("found")


def _no_claim(r: Reading, phrase: Phrase) -> None:
    return None


def _nothing_found(r: Reading, phrase: Phrase) -> None:
    r.true(r.facts.found == 0, "count", phrase, f"{r.facts.found:,} cells found")
    r.about("found")


def _as_white(r: Reading, phrase: Phrase) -> None:
    """What the classified cells are, where the model can tell others from them."""
    classified = r.tokens[phrase.first - 1].text == "classified"
    told = r.facts.rejects and classified and r.sentence.subject == "classified"
    r.true(
        told, "binding", phrase, "cells classified by a model that tells white cells from others"
    )


def _frames(r: Reading, phrase: Phrase) -> None:
    r.count(phrase, "n", r.facts.frames, "frames")


def _one_frame(r: Reading, phrase: Phrase) -> None:
    r.true(r.facts.frames == 1, "count", phrase, f"{r.facts.frames:,} frames")


def _found_in_frames(r: Reading, phrase: Phrase) -> None:
    r.count(phrase, "n", r.facts.frames, "frames")
    r.about("all")


_COUNTED: Final[tuple[tuple[str, Subject, Callable[[Facts], int], tuple[str, ...]], ...]] = (
    (
        "cells classified",
        "classified",
        lambda facts: facts.classified,
        (
            f"[({_WERE}|being)] [successfully] classified",
            f"{_WERE} (assigned|given) a class",
        ),
    ),
    (
        "cells rejected",
        "other",
        lambda facts: facts.rejected,
        (
            f"[({_WERE}|being)] [(rejected|set aside|left out)] as "
            "(not a white cell|not white cells|not being (a white cell|white cells)|no white cell|other objects)",
            f"[{_WERE}] (rejected|set aside)",
        ),
    ),
    (
        "cells at an edge",
        "other",
        lambda facts: facts.edge,
        (
            f"[({_WERE}|lay|lie|lies)] (at|on) (a frame's|the frame's|the|a frame|the frame) edge [of (a|the) frame]",
            f"{_WERE} cut [off] by (a frame's|the frame's|the) edge [of (a|the) frame]",
        ),
    ),
    (
        "cells beyond the limit per frame",
        "other",
        lambda facts: facts.over_limit,
        (
            f"[({_WERE}|lay)] (beyond|over) the limit [per frame]",
            "exceeded the limit [per frame]",
        ),
    ),
    (
        "cells that the engine failed on",
        "other",
        lambda facts: facts.failed,
        (
            "that the engine failed on",
            "(got|received) no numbers [from the engine]",
            f"{_WERE} failed [on] by the engine",
            f"[{_WERE}] lost to a fault of the engine",
        ),
    ),
)
"""What is counted, whose cells are spoken of afterwards, the fact, and how it is said behind a number."""


def _fate(
    what: str, subject: Subject, fact: Callable[[Facts], int], said: tuple[str, ...]
) -> tuple[Rule, ...]:
    def speak(r: Reading, phrase: Phrase) -> None:
        """Of the classified cells none was rejected: what became of cells is told of all that were found."""
        told = not r.sentence.within or subject == "classified"
        of_a_class = r.begins(phrase) and r.refers(phrase) and r.earlier == "class"
        r.true(told and not of_a_class, "binding", phrase, f"{what}, of all cells found")
        r.about(subject)

    def counted(r: Reading, phrase: Phrase) -> None:
        r.count(phrase, "n", fact(r.facts), what)
        if phrase.has("n2"):
            r.count(phrase, "n2", r.facts.found, "cells found")
        if phrase.has("p"):
            _rate(r, phrase, what)
        speak(r, phrase)

    def nothing(r: Reading, phrase: Phrase) -> None:
        r.true(fact(r.facts) == 0, "count", phrase, f"{fact(r.facts):,} {what}")
        speak(r, phrase)

    def everything(r: Reading, phrase: Phrase) -> None:
        r.true(fact(r.facts) == r.facts.found, "count", phrase, f"{fact(r.facts):,} {what}")
        if phrase.has("n"):
            r.count(phrase, "n", r.facts.found, "cells found")
        speak(r, phrase)

    def finished(r: Reading, phrase: Phrase) -> None:
        if begun := r.sentence.unfinished:
            r.count(begun, "n", fact(r.facts), what)
        r.sentence.unfinished = None
        speak(r, phrase)

    def rate(r: Reading, phrase: Phrase) -> None:
        _rate(r, phrase, what)
        speak(r, phrase)

    of_all = f"of [(the|all)] {{n2}} [{_SEEN}] {_CELLS} [{_SEEN}]"
    of_seen = f"[(of [(the|all)] {_CELLS} [{_SEEN}]|of (them|these))]"
    return (
        *(
            rule
            for words in said
            for rule in (
                *rules(counted, f"{{n}} [{_CELLS}] [< {{p}} >] {words}", f"{{n}} {of_all} {words}"),
                *rules(nothing, f"(no {_CELLS}|none [of (them|these|the cells)]) {words}"),
                *rules(
                    everything,
                    f"all [of] [(the|these)] [{{n}}] [of] [(them|these)] [{_CELLS}] [{_SEEN}] {words}",
                ),
                *rules(finished, words, when=_is_unfinished),
                *rules(rate, f"{{p}} {of_seen} {words}"),
            )
        ),
    )


def _unfinished(r: Reading, phrase: Phrase) -> None:
    r.count(phrase, "n2", r.facts.found, "cells found")
    r.sentence.unfinished = phrase


def _is_unfinished(sentence: Sentence) -> bool:
    return sentence.unfinished is not None


def _is_classified(sentence: Sentence) -> bool:
    return sentence.subject == "classified"


def _is_verbless(sentence: Sentence) -> bool:
    return sentence.subject == "all" and not sentence.classes


def _rate(r: Reading, phrase: Phrase, what: str) -> None:
    """Of the cells that a model saw, how many it rejected: the one rate of a fate that the facts hold.

    Where it could be read as of those found, it has to be that as well.
    """
    if not r.true(what == "cells rejected", "share", phrase, f"a count of {what}"):
        return
    r.share(phrase, "p", r.facts.rejected_share, "of the classified and rejected")
    r.true(r.sentence.subject != "class", "binding", phrase, "no rate beside shares of classes")
    if r.spoken_of(phrase) == "found" or phrase.contains("of"):
        found = r.facts.rejected / max(r.facts.found, 1)
        r.share(phrase, "p", found, "of the cells found; or say: the reject rate")


FOUND: Final = (
    *rules(_as_white, "as [a] white [blood] (cell|cells)", when=_is_classified),
    *rules(
        _found,
        f"[a total of] {{n}} {_CELLS} [[{_WERE}] {_SEEN}]",
        f"[a total of] {{n}} {_CELLS} {_WERE} identified ?! as",
        f"[out] of [a total of] [(the|all)] {{n}} {_CELLS} [[{_WERE}] {_SEEN}]",
    ),
    *rules(
        _nothing_found,
        f"(no|zero) {_CELLS} [{_WERE}] {_SEEN}",
        "found no cells",
        f"no {_CELLS}",
    ),
    *rules(
        _frames,
        f"(in|from|across|of|within) [a total of] [(the|all)] {{n}} {_FRAMES}",
        f"{{n}} {_FRAMES}",
        f"{{n}} {_FRAMES} {_WERE} (analysed|analyzed|processed|imaged|seen|recorded|examined)",
    ),
    *rules(_one_frame, "(in|from|within) (a|the) single frame"),
    *rules(_found_in_frames, f"[(the|these)] {{n}} {_FRAMES} {_HOLD}"),
    *rules(_no_claim, f"{_HOLD} ?= ({{n}}|no) {_CELLS}", when=_is_verbless),
    *rules(
        _unfinished,
        f"{{n}} of {{n2}} {_CELLS} [{_SEEN}] ?= (in|from|across) {{n3}} {_FRAMES}",
    ),
    *(rule for fate in _COUNTED for rule in _fate(*fate)),
)
