"""What was compared with another population, quantity by quantity, as tables: also what is not shown to differ."""

from typing import TYPE_CHECKING, Final

from phenostream.deploy.cli.terminal import printable, say, say_table

if TYPE_CHECKING:
    from phenostream.engine.summary.changes import Comparison, MarkerChange, ShareChange
    from phenostream.engine.summary.facts import Facts

_VERDICTS: Final = {
    "up": "HIGHER",
    "down": "LOWER",
    "unclear": "no change shown",
    "too_few": "too few cells",
}
_SHARES: Final = {"rejected": "rejected cells", "unusual": "cells unlike the training cells"}


def say_comparisons(facts: "Facts") -> None:
    """One heading and two tables for each population that the facts are compared with."""
    for one in facts.comparisons:
        _say_comparison(one, facts.marker_unit)


def _say_comparison(one: "Comparison", marker_unit: str) -> None:
    with_ = f"reference {one.name}" if one.against == "reference" else "the window before"
    there = f"{one.classified:,} classified cells of {one.frames:,} frames"
    heading = f"compared with {with_} ({there}{', SIMULATED cells' if one.synthetic else ''})"
    say()
    if one.obstacle is not None:
        say(printable(f"not {heading}: {one.obstacle}"))
        return
    say(
        printable(
            f"{heading}: {one.tests} tests, all together at a level of {100 * one.alpha:g} %; a change has to stand "
            "out against the spread between frames too; intervals take cells as independent, which those of one frame "
            "are not quite"
        )
    )
    say_table(
        ["share", "there", "here", "difference, 95 % interval", "p", "verdict"],
        [_share_row(change) for change in one.shares],
    )
    if one.markers:
        say()
        say_table(
            [f"median, {marker_unit}", "there", "here", "a cell here is higher", "p", "verdict"],
            [_marker_row(change) for change in one.markers],
        )


def _share_row(change: "ShareChange") -> tuple[str, ...]:
    points = [100 * value for value in (change.difference, change.low, change.high)]
    return (
        printable(change.name or _SHARES[change.of]),
        f"{100 * change.before:.1f} %",
        f"{100 * change.now:.1f} %",
        "{:+.1f} points ({:+.1f} to {:+.1f})".format(*points),
        _probability(change.p),
        _VERDICTS[change.verdict],
    )


def _marker_row(change: "MarkerChange") -> tuple[str, ...]:
    higher = change.superiority
    return (
        printable(f"{change.class_name}: {change.name}"),
        _value(change.before),
        _value(change.now),
        "none" if higher is None else f"with probability {higher:.2f}",
        _probability(change.p),
        _VERDICTS[change.verdict],
    )


def _probability(p: float | None) -> str:
    """The test's, adjusted for all of them."""
    return "not tested" if p is None else "< 0.0001" if p < 1e-4 else f"{p:.4f}"


def _value(value: float | None) -> str:
    return "none" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
