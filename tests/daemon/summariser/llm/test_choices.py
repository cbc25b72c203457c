"""Grammars that are a sequence of choices are read as what they can say; all others are left alone."""

import pytest

from phenostream.daemon.summariser.llm.choices import MOST_ALTERNATIVES, choices_of


@pytest.mark.parametrize(
    ("grammar", "choices"),
    [
        ('root ::= "a"', (("a",),)),
        ('root ::= "a" | "b"', (("a", "b"),)),
        (
            'root ::= s0 s1\ns0 ::= "12 cells"\ns1 ::= " are" | " were"',
            (("12 cells",), (" are", " were")),
        ),
        ('# a summary\nroot ::= ("a" | "b" "c") "!"', (("a", "bc"), ("!",))),
        ('root ::= s\ns ::= t "x" | ""\nt ::= "1" | "2"', (("1x", "2x", ""),)),
        (r'root ::= "\"\\\x41\u00e9\U0001F9EB"', (('"\\Aé🧫',),)),
        ('root ::= "(a | b)* [c]"', (("(a | b)* [c]",),)),
        ('root ::= "a" | "a"', (("a",),)),
    ],
)
def test_a_sequence_of_choices_is_read(grammar: str, choices: tuple[tuple[str, ...], ...]) -> None:
    assert choices_of(grammar) == choices


@pytest.mark.parametrize(
    "grammar",
    [
        "",
        'start ::= "a"',
        'root ::= "a"*',
        "root ::= [a-z]",
        'root ::= "a" other',
        'root ::= "a" root',
        'root ::= ("a"',
        'root ::= "a")',
        'root ::= "a',
        r'root ::= "\q"',
        r'root ::= "a\n"',
        'root ::= "a"\nroot ::= "b"',
        "root ::= .",
        r'root ::= "\U00FFFFFF"',
        "root ::= " + " ".join(["d"]) + "\nd ::= " + " ".join(['("0" | "1")'] * 9),
    ],
)
def test_any_other_grammar_is_left_alone(grammar: str) -> None:
    assert choices_of(grammar) is None


def test_a_place_with_too_many_alternatives_is_not_written_out() -> None:
    most = " | ".join(f'"{number}"' for number in range(MOST_ALTERNATIVES))
    assert choices_of(f"root ::= {most}") is not None
    assert choices_of(f'root ::= {most} | "more"') is None
