"""A swap of models in words: what became of it and why, and what the comparison on live cells found."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from phenostream.deploy.cli.terminal import printable, say, say_table

STATES: Final = {
    "loading": "the bundle is read and verified; does it fit what this daemon does?",
    "testing": "opened beside the model that serves, it must give its golden outputs",
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
_MOST_CHANGES: Final = 5


def who(card: Mapping[str, Any] | None) -> str:
    """Name and version of a model."""
    return "the new model" if card is None else f"{card.get('name')} {card.get('version')}"


def say_swap(swap: Mapping[str, Any]) -> None:
    """What became of a swap, or how far it is, and its reports as tables."""
    for line in _lines(swap):
        say(printable(line))
    for key, title in (
        ("report", "live cells, before it served"),
        ("probation", "live cells, while it served; the model before it beside it"),
    ):
        report = swap.get(key)
        if report is not None:
            say()
            say(title)
            say_table(["what", "serving", "other", "found"], _rows(report))


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


def _rows(report: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """What was found, of the serving model and of the other one, and of both together."""
    low, high = report["agreement_low"], report["agreement_high"]
    yield "cells compared", "", "", str(report["cells"])
    yield "decided alike", "", "", f"{report['agreement']:.2%} [{low:.2%}, {high:.2%}]"
    for change in report["changes"][:_MOST_CHANGES]:
        yield "decided otherwise", change["reference"], change["other"], f"{change['cells']} cells"
    if len(report["changes"]) > _MOST_CHANGES:
        rest = sum(change["cells"] for change in report["changes"][_MOST_CHANGES:])
        yield "decided otherwise", "all other pairs", "", f"{rest} cells"
    for key, what in (("rejected", "rejected"), ("unusual", "unlike the training cells")):
        first, second = report[key]
        yield what, f"{first:.2%}", f"{second:.2%}", f"{100 * (second - first):+.2f} points"
    for marker in report["markers"]:
        r = "none" if marker["r"] is None else f"{marker['r']:.3f}"
        moved = (
            f"shift {marker['shift_sd']:+.3f} sd, rms {marker['rms_difference_sd']:.3f} sd, r {r}"
        )
        yield printable(marker["name"]), "", "", moved
    if "cell_ms" in report:
        first, second = report["cell_ms"]
        yield "ms a cell", f"{first:.3g}", f"{second:.3g}", f"{report['slowdown']:.2f} times"
        yield (
            "batches passed over",
            "",
            "",
            f"{report['passed_over']} (the box was busy with frames)",
        )
