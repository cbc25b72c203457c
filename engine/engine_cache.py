"""What a runtime made of a model, kept for the next start: only what this very daemon wrote is ever read back.

A compiled engine is executable, and no runtime checks what it is given. The folder therefore belongs to us alone (mode
0700), and an entry begins with an HMAC-SHA-256 over what it is of and every byte of it, under a key that is kept
elsewhere. What does not agree is removed and made again; the bytes that were checked are the bytes that are returned.
Knows files; does not know any runtime. Nothing here is a truth: an empty cache only costs time.
"""

import contextlib
import hashlib
import hmac
import json
import logging
import os
import stat
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from phenostream.engine.errors import BadConfig

logger = logging.getLogger(__name__)

Facts = Mapping[str, str | int]
"""All that an entry depends on: model, runtime and its version, device, options."""
KEY_BYTES: Final = 32
MOST_ENTRY_BYTES: Final = 1 << 30
MOST_ENTRIES: Final = 8
"""More are not kept; the oldest go first."""
_SUFFIX: Final = ".engine"
_PURPOSE: Final = b"phenostream engine cache 1\0"
_MAC_BYTES: Final = hashlib.sha256().digest_size
_LENGTH: Final = struct.Struct(">Q")
_FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class EngineCache:
    """A folder of entries and the key that they are known by.

    Attributes:
        directory: Made, with mode 0700, where it is not there.
        key: 32 secret bytes, the same at every start.
    """

    directory: Path
    key: bytes

    def __post_init__(self) -> None:
        if len(self.key) != KEY_BYTES:
            raise BadConfig(f"engine cache: a key of {len(self.key)} bytes, expected {KEY_BYTES}")

    def check(self) -> None:
        """See that the folder is there, or make it, and that it is ours alone.

        Raises:
            BadConfig: It is not, or cannot be made.
        """
        with _opened(self.directory):
            return

    def get(self, facts: Facts) -> tuple[bytes, ...] | None:
        """The parts that were `put` under the same facts; None where there is nothing that can be believed.

        Raises:
            BadConfig: The folder cannot be had, or is not ours alone.
        """
        name, label = _named(facts)
        with _opened(self.directory) as folder:
            content = _read(folder, name)
            if content is None:
                return None
            mac, body = content[:_MAC_BYTES], content[_MAC_BYTES:]
            if hmac.compare_digest(mac, self._mac(label, body)):
                return _parts(body)
            logger.warning(
                "%s: not what this daemon wrote; removed, to be made again", self.directory / name
            )
            _remove(folder, name)
        return None

    def put(self, facts: Facts, parts: Sequence[bytes]) -> None:
        """Keep some parts; a disk that refuses is logged, for all that is lost is time. Raises as `get`."""
        name, label = _named(facts)
        body = b"".join(piece for part in parts for piece in (_LENGTH.pack(len(part)), part))
        if _MAC_BYTES + len(body) > MOST_ENTRY_BYTES:
            return
        partial = f".{os.getpid()}.partial"
        with _opened(self.directory) as folder:
            try:
                _write(folder, partial, self._mac(label, body) + body)
                os.replace(partial, name, src_dir_fd=folder, dst_dir_fd=folder)
                _thin_out(folder)
            except OSError as err:
                logger.warning("%s: not kept: %s", self.directory / name, err.strerror)
                _remove(folder, partial)

    def drop(self, facts: Facts) -> None:
        """Remove an entry that its runtime did not take. Raises as `get`."""
        with _opened(self.directory) as folder:
            _remove(folder, _named(facts)[0])

    def _mac(self, label: bytes, body: bytes) -> bytes:
        head = _PURPOSE + _LENGTH.pack(len(label)) + label
        mac = hmac.new(self.key, head, hashlib.sha256)
        mac.update(body)
        return mac.digest()


def _named(facts: Facts) -> tuple[str, bytes]:
    """File name and label of what is made of some facts."""
    label = json.dumps(dict(facts), sort_keys=True).encode()
    return hashlib.sha256(label).hexdigest() + _SUFFIX, label


@contextlib.contextmanager
def _opened(directory: Path) -> Iterator[int]:
    """A descriptor of the folder, by which alone its files are named: it is the folder that was checked."""
    what = f"engine cache: {directory}"
    try:
        with contextlib.suppress(FileExistsError):  # what is there is looked at next
            directory.mkdir(mode=0o700, parents=True)
        folder = os.open(directory, _FOLDER_FLAGS)
    except OSError as err:
        raise BadConfig(f"{what}: {(err.strerror or str(err)).lower()}") from err
    try:
        facts = os.fstat(folder)
        if stat.S_IMODE(facts.st_mode) & 0o077:
            mode = stat.S_IMODE(facts.st_mode)
            raise BadConfig(f"{what}: mode {mode:04o}, allowed 0700 or stricter")
        if facts.st_uid != os.geteuid():
            raise BadConfig(f"{what}: belongs to user {facts.st_uid}, allowed {os.geteuid()} (us)")
        yield folder
    finally:
        os.close(folder)


def _read(folder: int, name: str) -> bytes | None:
    """A regular file of the folder, whole; None where there is none, or one that is too large."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, dir_fd=folder)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > MOST_ENTRY_BYTES:
            return None
        return file.read(facts.st_size)


def _write(folder: int, name: str, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(name, flags, 0o600, dir_fd=folder), "wb") as file:
        file.write(content)


def _remove(folder: int, name: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(name, dir_fd=folder)


def _thin_out(folder: int) -> None:
    """Remove what is beyond `MOST_ENTRIES`, the oldest first."""
    names = [name for name in os.listdir(folder) if name.endswith(_SUFFIX)]
    by_age = sorted(names, key=lambda name: os.stat(name, dir_fd=folder).st_mtime_ns)
    for name in by_age[:-MOST_ENTRIES]:
        _remove(folder, name)


def _parts(body: bytes) -> tuple[bytes, ...]:
    """The parts of an entry whose HMAC agrees."""
    parts, position = [], 0
    while position < len(body):
        (size,) = _LENGTH.unpack_from(body, position)
        position += _LENGTH.size
        parts.append(body[position : position + size])
        position += size
    return tuple(parts)
