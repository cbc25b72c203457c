"""How numbers and names read on the page and in the summary. Knows no HTML."""

from typing import Final

from phenostream.trainer.evaluation.schema.figure import Figure

MINUS: Final = "\N{MINUS SIGN}"
NOTHING: Final = "\N{EN DASH}"
"""Where there is no figure: neither 0 nor an empty cell."""


def number(value: float | None, digits: int = 3) -> str:
    """With a fixed number of decimals and a true minus sign; never a negative zero."""
    if value is None:
        return NOTHING
    text = f"{value:.{digits}f}"
    if not float(text):
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def signed(value: float | None, digits: int = 3) -> str:
    """A difference: with its sign, whichever it is."""
    text = number(value, digits)
    return text if value is None or text.startswith(MINUS) else f"+{text}"


def short(value: float | None) -> str:
    """Three significant digits, for values whose unit may be of any size."""
    if value is None:
        return NOTHING
    text = f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return text.replace("-", MINUS)


def interval(figure: Figure | None, digits: int = 3) -> str:
    """The 95 % interval in brackets, or that there is none."""
    if figure is None:
        return ""
    if figure.low is None or figure.high is None:
        return "no interval"
    return f"[{number(figure.low, digits)}, {number(figure.high, digits)}]"


def with_interval(figure: Figure | None, digits: int = 3) -> str:
    """``0.912 [0.902, 0.921]``."""
    if figure is None:
        return NOTHING
    return f"{number(figure.value, digits)} {interval(figure, digits)}"


def count(value: int | None) -> str:
    """With thousands apart."""
    return NOTHING if value is None else f"{value:,}"


def percent(share: float | None, digits: int = 1) -> str:
    """A share as per cent, with a narrow space before the sign."""
    if share is None:
        return NOTHING
    return f"{number(100 * share, digits)}\N{NARROW NO-BREAK SPACE}%"


def listing(names: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
