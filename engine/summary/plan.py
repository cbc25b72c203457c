"""What may be said, as a sequence of choices: the text is one alternative of every slot, in order.

Whoever makes a plan answers for the truth of every alternative; whoever chooses, a language model for one, cannot say
anything else. A plan is also a grammar (GBNF, as llama.cpp reads it), and it recognises its own texts, in time
proportional to the length of the text times the number of alternatives, however many texts there are.
"""

from dataclasses import dataclass
from math import prod
from typing import Final

from phenostream.engine.errors import EngineFault

_LITERAL_ESCAPES: Final = {"\\": "\\\\", '"': '\\"'}
_LAST_BMP: Final = 0xFFFF


@dataclass(frozen=True, slots=True)
class Slot:
    """One choice.

    Attributes:
        alternatives: One or more different texts, each of them true whatever is chosen elsewhere; the first is what is
            said where nobody chooses. An empty one says nothing.

    Raises:
        EngineFault: There is none, one twice, or one with a character that is not shown.
    """

    alternatives: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.alternatives or len(set(self.alternatives)) < len(self.alternatives):
            raise EngineFault(f"slot: {self.alternatives!r}, allowed one different text or more")
        for text in self.alternatives:
            if not text.isprintable():
                raise EngineFault(f"slot: {text!r}, allowed printable characters only")


Plan = tuple[Slot, ...]
"""Slots in the order of the text."""


def one_of(*texts: str) -> Slot:
    """A slot of these texts, each once, in this order."""
    return Slot(tuple(dict.fromkeys(texts)))


def first(plan: Plan) -> str:
    """The text where nobody chooses: every slot's first alternative."""
    return "".join(slot.alternatives[0] for slot in plan)


def says(plan: Plan, text: str) -> bool:
    """Whether this is, character by character, one of the plan's texts."""
    if len(text) > longest(plan):
        return False
    ends = {0}
    for slot in plan:
        ends = {
            end + len(words)
            for end in ends
            for words in slot.alternatives
            if text.startswith(words, end)
        }
        if not ends:
            return False
    return len(text) in ends


def longest(plan: Plan) -> int:
    """Characters of the longest text."""
    return sum(max(map(len, slot.alternatives)) for slot in plan)


def choices(plan: Plan) -> int:
    """Ways through the plan; at least as many as its different texts."""
    return prod(len(slot.alternatives) for slot in plan)


def split_tail(plan: Plan) -> tuple[Plan, str]:
    """The plan up to its last choice, and the text that follows whatever was chosen."""
    end = len(plan)
    while end and len(plan[end - 1].alternatives) == 1:
        end -= 1
    return plan[:end], first(plan[end:])


def gbnf(plan: Plan) -> str:
    """The grammar of exactly the plan's texts, as llama.cpp reads it.

    Returns:
        A rule ``root``, and one rule for every slot that leaves a choice. ASCII.
    """
    rules: list[str] = []
    root: list[str] = []
    fixed = ""
    for slot in plan:
        if len(slot.alternatives) == 1:
            fixed += slot.alternatives[0]
            continue
        if fixed:
            root.append(_literal(fixed))
            fixed = ""
        name = f"choice-{len(rules)}"
        rules.append(f"{name} ::= {' | '.join(_literal(text) for text in slot.alternatives)}")
        root.append(name)
    if fixed or not root:
        root.append(_literal(fixed))
    return "\n".join([f"root ::= {' '.join(root)}", *rules]) + "\n"


def _literal(text: str) -> str:
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    code = ord(character)
    if character in _LITERAL_ESCAPES:
        return _LITERAL_ESCAPES[character]
    if character.isascii() and character.isprintable():
        return character
    return f"\\u{code:04X}" if code <= _LAST_BMP else f"\\U{code:08X}"
