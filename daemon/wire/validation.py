"""What a closed schema refused, as one line for a person: ``key: value: what is allowed``.

Shared by wire messages, control requests, configurations and command lines. Knows pydantic's errors and the bounds its
fields declare; knows no schema of its own.
"""

import math
from collections.abc import Iterator
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

_LONGEST_VALUE: Final = 60
_PATTERNS: Final = {
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$": (
        "1 to 64 letters, digits, '.', '_' and '-', beginning with a letter or a digit"
    ),
    r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$": (
        "a UUID of 36 characters in lower case"
    ),
}
_KINDS: Final = (
    ("int", "a whole number"),
    ("float", "a number"),
    ("finite_number", "a finite number"),
    ("bool", "true or false"),
    ("string", "text"),
    ("bytes", "bytes"),
    ("path", "a path"),
    ("tuple", "a list"),
    ("list", "a list"),
    ("model", "a table of keys"),
    ("dict", "a table of keys"),
)


def describe(err: ValidationError, model: type[BaseModel] | None = None) -> str:
    """The first fault of a failed validation as one line: key, value, what is allowed.

    Args:
        err: What pydantic raised.
        model: The schema, so that both ends of a range can be told; a leading name of a message type is stepped over.
    """
    first = err.errors(include_url=False)[0]
    more = f" (and {err.error_count() - 1} more)" if err.error_count() > 1 else ""
    return f"{key_of(first)}{allowed(first, model)}{more}"


def key_of(error: ErrorDetails) -> str:
    """Where a value stands, dotted."""
    tag = ("type",) if error["type"].startswith("union_tag") else ()
    return ".".join(str(part) for part in (*error["loc"], *tag)) or "message"


def allowed(error: ErrorDetails, model: type[BaseModel] | None = None) -> str:
    """What follows the key: the value and what is allowed instead."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in ("missing", "union_tag_not_found"):
        return ": missing"
    value = "" if isinstance(error["input"], dict) else f": {_shown(error['input'])}"
    if kind == "extra_forbidden":
        return f"{value}: unknown key"
    if kind == "value_error":
        return f"{value}: {error['msg'].removeprefix('Value error, ')}"
    if kind == "union_tag_invalid":
        return f": {_shown(context.get('tag'))}: allowed {context.get('expected_tags')}"
    if kind == "literal_error":
        return f"{value}: allowed {context.get('expected')}"
    if kind == "string_pattern_mismatch":
        pattern = str(context.get("pattern"))
        return f"{value}: allowed {_PATTERNS.get(pattern, f'what matches {pattern}')}"
    return f"{value}: allowed {_range(error, model)}"


def _range(error: ErrorDetails, model: type[BaseModel] | None) -> str:
    """Both ends where the schema is known, else the end that was crossed."""
    ends = _bounds(model, error["loc"]) or dict(error.get("ctx", {}))
    low = f"{_number(ends['ge'])}" if "ge" in ends else ""
    low = f"above {_number(ends['gt'])}" if "gt" in ends else low
    high = f"{_number(ends['le'])}" if "le" in ends else ""
    high = f"below {_number(ends['lt'])}" if "lt" in ends else high
    kind = next((words for name, words in _KINDS if error["type"].startswith(name)), "")
    if low and high:
        joint = "to" if "ge" in ends and "le" in ends else "and" if "lt" in ends else "up to"
        reach = f"{low} {joint} {high}"
    else:
        reach = f"{low} or more" if "ge" in ends else low or (f"up to {high}" if high else "")
    if kind and reach:
        return f"{kind}, {reach}"
    plain = error["msg"].removeprefix("Input should be ")
    return kind or reach or plain[:1].lower() + plain[1:]


def _bounds(model: type[BaseModel] | None, loc: tuple[int | str, ...]) -> dict[str, float]:
    """The bounds a field declares, also inside ``| None``."""
    for place, part in enumerate(loc):
        field = model.model_fields.get(str(part)) if model is not None else None
        if field is None:
            if place == 0 and len(loc) > 1:  # the message type of a tagged union
                continue
            return {}
        inner = field.annotation
        if place < len(loc) - 1 and isinstance(inner, type) and issubclass(inner, BaseModel):
            model = inner
            continue
        declared = [*field.metadata, *_declared_in(inner)]
        return {
            end: getattr(one, end)
            for one in declared
            for end in ("ge", "gt", "le", "lt")
            if getattr(one, end, None) is not None
        }
    return {}


def _declared_in(annotation: Any) -> Iterator[Any]:
    """Constraints of the members of a union; pydantic's own `FieldInfo` keeps them one level deeper."""
    for member in get_args(annotation):
        for one in getattr(member, "__metadata__", ()):
            yield from getattr(one, "metadata", None) or (one,)


def _number(value: Any) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"


def _shown(value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."
