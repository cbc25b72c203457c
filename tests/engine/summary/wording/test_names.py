import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phenostream.engine.summary.plan import first, gbnf
from phenostream.engine.summary.wording import LANGUAGES, STYLES, plan_of
from phenostream.engine.summary.wording.names import (
    LONGEST_SHOWN,
    is_plain_marker,
    shown,
    shown_marker,
    with_shown_names,
)
from tests.engine.summary.wording.hostile_names import HOSTILE, named


@pytest.mark.parametrize("name", HOSTILE)
def test_a_shown_name_can_do_nothing(name: str) -> None:
    told = shown(name)
    assert 0 < len(told) <= LONGEST_SHOWN
    assert told.isprintable()
    assert not set(told) & set("\"'`“”„‚‘’\\<>[]|*&;\n\r\t")
    assert all(unicodedata.bidirectional(c) not in ("R", "AL", "AN") for c in told)
    told.encode()


@settings(deadline=None)
@given(one=st.text(max_size=10), other=st.text(max_size=10))
def test_two_short_names_never_look_alike(one: str, other: str) -> None:
    same = shown(one) == shown(other)
    assert same == (one.strip(" ") == other.strip(" ")) or "(no name)" in (one, other)


def test_usual_names_are_shown_as_they_are() -> None:
    for name in ("lymphocyte", "CD45", "a.u. (synthetic)", "demo 1", "Zählkammer µ-3", "A01-17"):
        assert shown(name) == name
    for name in ("CD45", "CD45RA", "HLA-DR", "Ki-67", "TdT"):
        assert is_plain_marker(name)
    for name in ("sepsis", "CD45 high", "of 900", "leukemia1", ""):
        assert not is_plain_marker(name)
    assert shown_marker("CD3/CD19/CD56") == "CD3/CD19/CD56"
    assert shown_marker("/".join("ABCDEFGHIJ")) == "A/B/C/D/E/F/G/H/…"


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_name_leaves_its_quotation_marks_its_line_or_its_literal(
    name: str, style: str, language: str
) -> None:
    plan = plan_of(named(name), style, language)  # type: ignore[arg-type]  # parametrised
    text = first(plan)
    assert text.isprintable()
    opened, closed = ("“", "”") if language == "en" else ("„", "“")
    inside = re.sub(f"{opened}[^{opened}{closed}]*{closed}", "", text)
    assert not set(inside) & set("“”„\"'`\\<>[]|*{}") - {"'"}
    grammar = gbnf(plan)
    assert grammar.isascii()
    literal = r'"(?:[^"\\\n]|\\["\\]|\\u[0-9A-F]{4}|\\U[0-9A-F]{8})*"'
    rule = rf"[a-z0-9-]+ ::= (?:{literal}|choice-\d+)(?: (?:\| )?(?:{literal}|choice-\d+))*"
    for line in grammar.splitlines():
        assert re.fullmatch(rule, line), line


def test_names_that_look_alike_once_cut_are_told_apart() -> None:
    names = [one.name for one in with_shown_names(named("x" * 100)).classes]
    assert len(set(names)) == len(names)
    assert names[0].endswith("… #1")
