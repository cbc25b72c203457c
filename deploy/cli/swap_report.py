"""A swap of models in words: what became of it and why, and what the comparison on live cells found."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from phenostream.deploy.cli.terminal import printable, say, say_table

STATES: Final = {
    "loading": "the bundle is read, verified and opened beside the model that serves",
    "testing": "golden crops, and whether it fits what this daemon does",
    "comparing": "it infers live cells beside the model that serves; nobody sees its answers",
    "probation": "it serves; the model before it stands by, warm",
}
"""What goes on in each state of a swap that is under way."""
_ENDS: Final = {
    "none": "no swap since this daemon started",
    "serving": "{model} serves",
    "refused": "REFUSED: {model} does not serve, {before} serves on",
    "rolled_back": "ROLLED BACK: {model} was taken back, {before} serves again",
    "cancelled": "CANCELLED: {before} serves",
}


def who(card: Mapping[str, Any] | None) -> str:
    """Name and version of a model."""
    return "the new model" if card is None else f"{card.get('name')} {card.get('version')}"


def say_swap(swap: Mapping[str, Any]) -> None:
    """What became of a swap, or how far it is, and its reports as tables."""
    for line in _lines(swap):
        say(printable(line))
    for key, title in (
        ("report", "on live cells, before it served"),
        ("probation", "on live cells, while it served (the model before it beside it)"),
    ):
        if swap.get(key) is not None:
            say()
            say(title)
            _say_report(swap[key])


def _lines(swap: Mapping[str, Any]) -> Iterator[str]:
    state = str(swap.get("state"))
    told = {"model": who(swap.get("model")), "before": who(swap.get("before"))}
    if state in _ENDS:
        yield _ENDS[state].format(**told)
    else:
        counted = swap["progress"]
        how_far = [
            f"{counted[what]} of {counted[f'of_{what}']} {what}" for what in ("cells", "frames")
        ]
        yield f"{state}: {told['model']} in place of {told['before']}; {', '.join(how_far)}"
    if swap.get("reason"):
        yield f"reason: {swap['reason']}"
    if swap.get("bundle"):
        yield f"bundle: {swap['bundle']}; took {swap['elapsed_s']:g} s"


def _say_report(report: Mapping[str, Any]) -> None:
    """What two models said about the same cells."""
    say_table(["what", "value"], [(key, str(value)) for key, value in report.items()])
