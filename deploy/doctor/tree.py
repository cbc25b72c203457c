"""Small files of the kernel's trees, /proc and /sys, as text and numbers."""

from pathlib import Path


def words(path: Path) -> str:
    """The content without its line end; empty where it is not there or cannot be read."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def number(path: Path) -> int | None:
    """The content as a number; None where it is none."""
    text = words(path)
    return int(text) if text.isascii() and text.isdigit() else None
