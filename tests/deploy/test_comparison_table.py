"""A comparison as tables: every quantity with its verdict, also those of which nothing is claimed."""

from dataclasses import replace

import pytest

from phenostream.deploy.cli.comparison_table import say_comparisons
from phenostream.engine.summary.changes import MarkerChange, ShareChange
from phenostream.engine.summary.facts import Facts
from tests.engine.summary.populations import population


def compared() -> Facts:
    """Facts with a comparison in which something changed."""
    return next(
        facts
        for facts in map(population, range(200))
        if any(one.changed and one.markers for one in facts.comparisons)
    )


def test_every_quantity_is_told_with_its_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    facts = compared()
    say_comparisons(facts)
    said = capsys.readouterr().out
    changes: list[ShareChange | MarkerChange] = []
    for one in facts.comparisons:
        changes += [*one.shares, *one.markers]
    for verdict, words in (("up", "HIGHER"), ("down", "LOWER"), ("too_few", "too few cells")):
        assert said.count(words) == sum(change.verdict == verdict for change in changes)
    assert said.count("not tested") == sum(change.p is None for change in changes)
    for one in facts.comparisons:
        assert (
            one.obstacle or f"{one.classified:,} classified cells of {one.frames:,} frames" in said
        )


def test_what_is_not_compared_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    facts = compared()
    one = replace(facts.comparisons[0], obstacle="another model", shares=(), markers=())
    say_comparisons(replace(facts, comparisons=(one,)))
    (line,) = capsys.readouterr().out.split("\n")[1:-1]
    assert line.startswith("not compared with ")
    assert line.endswith(": another model")


def test_a_name_that_moves_a_cursor_moves_none(capsys: pytest.CaptureFixture[str]) -> None:
    facts = compared()
    one = replace(facts.comparisons[0], against="reference", name="a\x1b[2Jb")
    say_comparisons(replace(facts, comparisons=(one,)))
    assert "\x1b" not in capsys.readouterr().out
