"""The names of metrics in an expression of Prometheus; enough of its grammar to tell them from all other words.

Not a parser: a wrong expression is not found by it. `promtool` is asked as well where it is installed.
"""

import os
import re
import shutil
import sys
from pathlib import Path

_STRING = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'')
_LABELS = re.compile(r"\{[^{}]*\}")
_LISTED = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^()]*\)")
_RANGE = re.compile(r"\[[^\[\]]*\]")
_WORD = re.compile(r"(?<![\w.$])[a-zA-Z_:][\w:]*")
_OPERATORS = frozenset(
    ("and", "or", "unless", "bool", "offset", "group_left", "group_right", "inf", "nan")
)


def found_promtool() -> str | None:
    """Prometheus' own judge of rules: on the path, or beside our interpreter."""
    beside = str(Path(sys.executable).parent)
    return shutil.which("promtool", path=f"{os.environ.get('PATH', '')}:{beside}")


def metrics_in(expression: str) -> set[str]:
    """Every metric that the expression reads."""
    bare = expression
    for part in (_STRING, _LABELS, _LISTED, _RANGE):
        bare = part.sub(" ", bare)
    words = {
        match[0]
        for match in _WORD.finditer(bare)
        if not bare[match.end() :].lstrip().startswith("(")
    }
    return {word for word in words if word.lower() not in _OPERATORS}


def labels_in(expression: str) -> set[tuple[str, str]]:
    """Every (metric, label) that a selector names."""
    found = set()
    bare = _STRING.sub("''", expression)
    for name, inside in re.findall(r"([a-zA-Z_:][\w:]*)\s*\{([^{}]*)\}", bare):
        for label in re.findall(r"([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)", inside):
            found.add((name, label))
    return found
