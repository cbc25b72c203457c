"""Under which licence a model's weights are used: never under none, and never under one that nobody looked at."""

from typing import Final

from phenostream.engine.errors import BadConfig, BadLanguageModel

PERMISSIVE: Final = (
    "Apache-2.0",
    "MIT",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "CC0-1.0",
    "CC-BY-4.0",
)
"""Taken as stated; any other is taken only where a person names it."""
_LONGEST: Final = 64


def settled_licence(stated: str, accepted: str | None, known: str | None) -> str:
    """The licence to write down.

    Args:
        stated: By the model's file; empty where it says nothing.
        accepted: Named by the person who fetches it.
        known: Of the table of models; None for a model that is not in it.

    Raises:
        BadConfig: What the person named is no licence's name.
        BadLanguageModel: The file states another one, or nobody knows one, or one that has to be named.
    """
    if accepted is not None and not _is_name(accepted):
        raise BadConfig(f"--licence {accepted!r:.80}: allowed 1 to {_LONGEST} printable characters")
    for claim, who in ((known, "the table of models says"), (accepted, "--licence says")):
        if claim is not None and stated and claim.lower() != stated.lower():
            raise BadLanguageModel(f"its file states the licence {stated!r}, {who} {claim!r}")
    if known is not None:
        if accepted is not None and accepted.lower() != known.lower():
            raise BadLanguageModel(f"--licence {accepted!r}: the table of models says {known!r}")
        return known
    if accepted is not None:
        return accepted
    if not stated:
        raise BadLanguageModel(
            "its file states no licence; name the one that you have it under: --licence NAME"
        )
    for name in PERMISSIVE:
        if name.lower() == stated.lower():
            return name
    raise BadLanguageModel(
        f"its file states the licence {stated!r}, not one of {', '.join(PERMISSIVE)}; "
        f"if you accept it: --licence {stated}"
    )


def _is_name(text: str) -> bool:
    return 1 <= len(text) <= _LONGEST and text.isprintable() and bool(text.strip())
