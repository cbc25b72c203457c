"""TensorRT and TensorRT-RTX as one library under two names, and what it says while it works.

Everything beside this module is given a `Library` and never imports one: the two differ in name and in a few options,
not in how they are called. Knows the packages; asks nothing of a device.
"""

import importlib
import logging
import re
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from phenostream.engine.errors import BadConfig, EngineFault, MissingPackage

logger = logging.getLogger(__name__)

LibraryName = Literal["tensorrt", "tensorrt_rtx"]
_EXTRAS: Final[dict[str, str]] = {"tensorrt": "gpu", "tensorrt_rtx": "rtx"}
"""The libraries, by the extra of pyproject.toml that brings each."""
LIBRARIES: Final = tuple(_EXTRAS)
_OLDEST: Final = 10
"""Major version from which networks can be strongly typed and calls go by tensor name; RTX counts from 1."""
_MESSAGES: Final = 32
_LONGEST: Final = 240
_ORIGIN: Final = re.compile(r"\s+In [\w:~<>]+ at [^\s)]+:\d+|\[\w+\.cpp:[^\]]*\]\s*")
"""Where in the library's source a message comes from: nothing a person can use."""


@dataclass(frozen=True, slots=True)
class Library:
    """An imported library.

    Attributes:
        name: ``tensorrt`` or ``tensorrt_rtx``, as the row of the table of backends.
        trt: The module.
        version: Its version; a plan is of exactly one.
    """

    name: str
    trt: Any
    version: str

    @property
    def is_rtx(self) -> bool:
        """Whether plans are portable between GPUs and are finished for the one at hand while loading."""
        return self.name == "tensorrt_rtx"

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def import_library(name: str) -> Library:
    """Import a library by its name; needs no device and no driver.

    Raises:
        BadConfig: No such library.
        MissingPackage: It is not installed, or not whole; the text names the extra that brings it.
        EngineFault: It is too old.
    """
    if name not in _EXTRAS:
        raise BadConfig(f"library: {name!r} is not known, allowed {', '.join(LIBRARIES)}")
    try:
        trt = importlib.import_module(name)
    except (ImportError, OSError) as err:  # a shared library that it stands on raises the second
        absent = isinstance(err, ModuleNotFoundError) and err.name == name
        why = "is not installed" if absent else f"cannot be imported ({one_line(str(err))})"
        raise MissingPackage(f"{name} {why}: pip install 'phenostream[{_EXTRAS[name]}]'") from err
    version = str(trt.__version__)
    if name == "tensorrt" and int(version.partition(".")[0]) < _OLDEST:
        raise EngineFault(f"tensorrt: version {version} is too old, allowed {_OLDEST} and later")
    return Library(name, trt, version)


@dataclass(slots=True)
class Messages:
    """The last errors and warnings of a library, which raises none of them itself, oldest first.

    Attributes:
        raised: What came up in this process while the library was speaking (Ctrl-C), to be raised once it returns.
    """

    errors: deque[str] = field(default_factory=lambda: deque(maxlen=_MESSAGES))
    warnings: deque[str] = field(default_factory=lambda: deque(maxlen=_MESSAGES))
    raised: BaseException | None = None

    def reason(self) -> str:
        """The first error, which is the cause of those after it, without its place in the library's source."""
        return self.errors[0] if self.errors else "no reason given"


def listening(library: Library, messages: Messages) -> Any:
    """A logger for the library that files what it says; it must live longer than whatever it was given to.

    The library calls it from threads of its own. It never raises: an exception has no way through the library.
    """
    levels = library.trt.ILogger.Severity
    errors = (levels.INTERNAL_ERROR, levels.ERROR)

    base: Any = library.trt.ILogger

    class Listener(base):  # type: ignore[misc]  # a base that is known only now
        def log(self, severity: Any, message: str) -> None:
            if severity not in (*errors, levels.WARNING):
                return
            try:
                text = one_line(message)
                (messages.errors if severity in errors else messages.warnings).append(text)
                logger.debug("%s: %s", library.name, text)
            except BaseException as err:  # nothing may pass through the library
                messages.raised = err

    return Listener()


def one_line(text: str) -> str:
    """A message of many lines or words as one short line, without its place in the library's source."""
    line = " ".join(_ORIGIN.sub("", text).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
