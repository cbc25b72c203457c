"""What a summary says of itself: what it is of, and what it cannot tell."""

import re
from collections.abc import Callable
from typing import Final

from tests.truth.context import Context, phrase

RESEARCH_ONLY: Final = "research use only"
SYNTHETIC: Final = "synthetic"


def _always(_context: Context, _match: re.Match[str]) -> bool:
    return True


def _synthetic(context: Context, _: re.Match[str]) -> bool:
    return context.facts.synthetic


def _cannot_reject(context: Context, _: re.Match[str]) -> bool:
    return not context.facts.rejects


def _cannot_score(context: Context, _: re.Match[str]) -> bool:
    return context.facts.unusual is None


def _neither(context: Context, match: re.Match[str]) -> bool:
    return _cannot_reject(context, match) and _cannot_score(context, match)


def _of_what(scope: str) -> Callable[[Context, re.Match[str]], bool]:
    """A window, a run or a part, and how long it took."""

    def is_true(context: Context, match: re.Match[str]) -> bool:
        return context.facts.scope == scope and (match["n"] is None or _lasted(context, match))

    return is_true


def _lasted(context: Context, match: re.Match[str]) -> bool:
    """So long; or below a bound, that of the shortest time that is told."""
    took = context.facts.duration_s
    if match["below"] is None:
        return context.near(match, "n", took)
    return took is not None and took < context.number(match, "n").value <= 0.1


_SCOPES: Final = {
    "window": "a window",
    "run": "the whole run",
    "part": "what one model saw of a run",
}
_DESCRIBES: Final = "this describes|these are the facts of|this is told of"
_UNTOLD: Final = "(?:this model (?:does not|cannot) tell|the model leaves open)"
_NO_CELL: Final = "whether a cell is a white cell at all"
_NO_LIKENESS: Final = "whether it is like the training cells"

PHRASES: Final = (
    phrase(RESEARCH_ONLY, "research use only , not a diagnosis", _always),
    phrase(SYNTHETIC, "synthetic : from simulated cells or a model trained on them", _synthetic),
    *(
        phrase(
            "what it is of",
            rf"(?:{_DESCRIBES}) {words}(?: \( (?P<below>below )?<n:n> s \))?",
            _of_what(scope),
        )
        for scope, words in _SCOPES.items()
    ),
    phrase("which run", "run ‹run›", _always),
    phrase("which instrument", "instrument ‹instrument›", _always),
    phrase("which model", "model ‹model›", _always),
    phrase("cannot reject", f"{_UNTOLD} {_NO_CELL}", _cannot_reject),
    phrase("cannot score", f"{_UNTOLD} {_NO_LIKENESS}", _cannot_score),
    phrase("cannot tell", f"{_UNTOLD} {_NO_CELL} or {_NO_LIKENESS}", _neither),
)
