"""A unit as systemd reads it: its fragment, then its drop-ins in their order; found on disk, running or not.

Knows the folders of units, the syntax of their files and the specifiers that ours use. Asks nothing of a systemd.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from phenostream.engine.errors import BadConfig

FOLDERS: Final = (
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
)
"""Where system units are looked for, first come first served."""
_MOST_BYTES: Final = 1 << 20
_COMMENT: Final = ("#", ";")
_SECTION: Final = re.compile(r"\[([^\[\]]+)\]")


@dataclass(frozen=True, slots=True)
class UnitName:
    """A unit's name taken apart: ``phenostream@scope1.service``."""

    full: str

    @property
    def stem(self) -> str:
        """Without its suffix, as specifier ``%N``."""
        return self.full.rpartition(".")[0]

    @property
    def prefix(self) -> str:
        """What is before the ``@``, as specifier ``%p``."""
        return self.stem.partition("@")[0]

    @property
    def instance(self) -> str:
        """What is behind the ``@``, as specifier ``%i``; empty where there is none."""
        return self.stem.partition("@")[2]

    @property
    def spellings(self) -> tuple[str, ...]:
        """Itself and, of an instance, its template."""
        suffix = self.full.rpartition(".")[2]
        return (self.full, f"{self.prefix}@.{suffix}") if self.instance else (self.full,)

    def expanded(self, text: str) -> str:
        """A setting with its specifiers replaced, but for those that only a running unit has.

        Raises:
            BadConfig: A specifier that is not known here.
        """
        known = {
            "n": self.full, "N": self.stem, "p": self.prefix, "i": self.instance, "I": self.instance,
            "E": "/etc", "S": "/var/lib", "C": "/var/cache", "L": "/var/log", "t": "/run",
            "T": "/tmp", "V": "/var/tmp", "%": "%",  # noqa: S108 - what systemd calls them
        }  # fmt: skip

        def replaced(match: re.Match[str]) -> str:
            if match[1] not in known:
                raise BadConfig(
                    f"{self.full}: specifier %{match[1]} in {text!r}: allowed {', '.join(known)}"
                )
            return known[match[1]]

        return re.sub(r"%(.)", replaced, text)


@dataclass(frozen=True, slots=True)
class Setting:
    """One assignment of a unit's file, as it stands there."""

    section: str
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class UnitFile:
    """All files of one unit.

    Attributes:
        fragment: The unit's own file.
        drop_ins: What is laid over it, in order.
    """

    name: UnitName
    fragment: Path
    drop_ins: tuple[Path, ...]
    settings: tuple[Setting, ...]

    @classmethod
    def find(cls, name: UnitName, root: Path = Path("/")) -> Self | None:
        """The unit on the file system under `root`; None where it has no file, or is masked.

        Raises:
            BadConfig: A file of it cannot be read.
        """
        found = [
            root / folder / one
            for one in name.spellings
            for folder in FOLDERS
            if (root / folder / one).is_file()
        ]
        if not found:
            return None
        return cls.read(name, found[0], tuple(_drop_ins(name, root)))

    @classmethod
    def read(cls, name: UnitName, fragment: Path, drop_ins: tuple[Path, ...] = ()) -> Self:
        """A unit by the files that it has.

        Raises:
            BadConfig: One of them cannot be read.
        """
        settings = [one for path in (fragment, *drop_ins) for one in _parsed(path)]
        return cls(name, fragment, drop_ins, tuple(settings))

    def values(self, key: str, section: str = "Service") -> list[str]:
        """What a key is set to, with specifiers replaced; an empty assignment takes back what was before it."""
        values: list[str] = []
        for one in self.settings:
            if (one.section, one.key) == (section, key):
                values = [*values, self.name.expanded(one.value)] if one.value else []
        return values

    def value(self, key: str, section: str = "Service") -> str | None:
        """The last value of a key that has one."""
        values = self.values(key, section)
        return values[-1] if values else None


def _drop_ins(name: UnitName, root: Path) -> Iterator[Path]:
    """Every drop-in once, by file name; the same file name in an earlier folder hides the later one."""
    by_name: dict[str, Path] = {}
    for spelling in name.spellings:
        for folder in FOLDERS:
            for path in sorted((root / folder / f"{spelling}.d").glob("*.conf")):
                by_name.setdefault(path.name, path)
    yield from (by_name[one] for one in sorted(by_name))


def _parsed(path: Path) -> Iterator[Setting]:
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES).decode(errors="replace")
    except OSError as err:
        raise BadConfig(f"{path}: {(err.strerror or str(err)).lower()}") from err
    section = ""
    for line in _logical_lines(text):
        if (match := _SECTION.fullmatch(line)) is not None:
            section = match[1]
            continue
        key, equals, value = line.partition("=")
        if equals:
            yield Setting(section, key.strip(), value.strip())


def _logical_lines(text: str) -> Iterator[str]:
    """Lines without comments; one that ends in a backslash goes on in the next."""
    held = ""
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith(_COMMENT) or (not line and not held):
            continue
        if line.endswith("\\"):
            held += line[:-1].rstrip() + " "
            continue
        yield (held + line).strip()
        held = ""
    if held.strip():
        yield held.strip()
