"""The terminal of the view: drawn anew on a screen of its own, one key ends it, and it can be kept as a picture."""

import os
import select
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Final

from rich.console import Console, RenderableType
from rich.live import Live

from phenostream.deploy.top.view import HEIGHT

WIDTH: Final = 80
_MOST_KEYS: Final = 64
_SVG: Final = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: monospace; font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font: bold 18px sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""Without the fonts that rich would have fetched from elsewhere."""


class Screen:
    """The alternate screen of the terminal we were started in."""

    def __init__(self, live: Live, keyboard: int | None) -> None:
        """Use `screen` instead."""
        self._live = live
        self._keyboard = keyboard

    @property
    def width(self) -> int:
        """Columns that there are just now."""
        return self._live.console.width

    def draw(self, picture: RenderableType) -> None:
        """Show this from now on."""
        self._live.update(picture, refresh=True)

    def key(self, wait_s: float) -> str:
        """The keys that were pressed, or empty after `wait_s` seconds without any."""
        watched = [] if self._keyboard is None else [self._keyboard]
        ready, _, _ = select.select(watched, [], [], wait_s)
        if not ready:
            return ""
        pressed = os.read(ready[0], _MOST_KEYS)
        if not pressed:  # nobody is at the keyboard any more
            self._keyboard = None
        return pressed.decode("ascii", "ignore")


@contextmanager
def screen() -> Iterator[Screen]:
    """Take the terminal: keys come one by one, and it is as it was when this ends, however it ends."""
    console = Console()
    keyboard = sys.stdin.fileno() if sys.stdin.isatty() else None
    before = termios.tcgetattr(keyboard) if keyboard is not None else None
    if keyboard is not None:
        tty.setcbreak(keyboard)
    try:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            yield Screen(live, keyboard)
    finally:
        if keyboard is not None and before is not None:
            termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


def on_a_terminal() -> bool:
    """Whether standard output can be drawn on."""
    return sys.stdout.isatty() and not Console().is_dumb_terminal


def print_once(picture: RenderableType) -> None:
    """Print it once, as it fits 80 columns where standard output is no terminal."""
    console = Console()
    (console if console.is_terminal else Console(width=WIDTH)).print(picture)


def save_svg(picture: RenderableType, title: str, path: Path) -> None:
    """Write it as a picture of a terminal of 80 columns.

    Raises:
        OSError: The file cannot be written.
    """
    console = Console(record=True, width=WIDTH, height=HEIGHT, file=StringIO(), force_terminal=True)
    console.print(picture)
    path.write_text(console.export_svg(title=title, code_format=_SVG), encoding="utf-8")
