"""What a runtime made of a model, kept for the next start: only what this very daemon wrote is ever read back.

A compiled engine is executable, and no runtime checks what it is given. The folder therefore belongs to us alone (mode
0700), and an entry begins with an HMAC-SHA-256 over what it is of and every byte of it, under a key that is kept
elsewhere. What does not agree is removed and made again; the bytes that were checked are the bytes that are returned.
Knows files; does not know any runtime. Nothing here is a truth: an empty cache only costs time.
"""

import contextlib
import errno
import fcntl
import hashlib
import hmac
import json
import logging
import os
import secrets
import stat
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from phenostream.engine.errors import BadConfig, EngineFault

logger = logging.getLogger(__name__)

Facts = Mapping[str, str | int]
"""All that an entry depends on: model, runtime and its version, device, options."""
KEY_BYTES: Final = 32
MOST_ENTRY_BYTES: Final = 1 << 30
MOST_ENTRIES: Final = 32
"""More are not kept; those that were used longest ago go first."""
_SUFFIX: Final = ".engine"
_PARTIAL: Final = ".partial"
_LOCK: Final = ".building.lock"
_NO_LOCKS: Final = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)
"""What a folder answers whose file system has no locks, as some networks' have not."""
_PURPOSE: Final = b"phenostream engine cache 1\0"
_MAC_BYTES: Final = hashlib.sha256().digest_size
_LENGTH: Final = struct.Struct(">Q")
_FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCK_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


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
                _touch(folder, name)
                return _parts(body)
            logger.warning(
                "%s: not what this daemon wrote; removed, to be made again", self.directory / name
            )
            _remove(folder, name)
        return None

    def put(self, facts: Facts, parts: Sequence[bytes]) -> None:
        """Keep some parts; a disk that refuses is logged, for all that is lost is time. Raises as `get`."""
        try:
            self.keep(facts, parts)
        except EngineFault as err:
            logger.warning("%s", err)

    def keep(self, facts: Facts, parts: Sequence[bytes]) -> None:
        """Keep some parts, or say that they are not: for whoever was asked for just that.

        Raises:
            EngineFault: They are larger than an entry may be, or the disk refuses.
            BadConfig: As `get`.
        """
        name, label = _named(facts)
        body = b"".join(piece for part in parts for piece in (_LENGTH.pack(len(part)), part))
        size = _MAC_BYTES + len(body)
        if size > MOST_ENTRY_BYTES:
            raise EngineFault(
                f"{self.directory / name}: not kept: {size} bytes, allowed {MOST_ENTRY_BYTES}"
            )
        with _opened(self.directory) as folder:
            try:
                _write_whole(folder, name, self._mac(label, body) + body)
                _thin_out(folder)
            except OSError as err:
                raise EngineFault(f"{self.directory / name}: not kept: {err.strerror}") from err

    @contextlib.contextmanager
    def alone(self, waiting: Callable[[], None] | None = None) -> Iterator[None]:
        """Be the only one, of all processes and threads, in here with this folder; whoever comes later waits.

        For work that would be done twice, or disturbs another of its kind. Readers and writers are not kept out. Where
        the holder is killed the next one goes on at once.

        Args:
            waiting: Called once where somebody else is inside.

        Raises:
            BadConfig: As `get`.
        """
        with _opened(self.directory) as folder:
            try:
                lock = os.open(_LOCK, _LOCK_FLAGS, 0o600, dir_fd=folder)
            except OSError as err:
                raise BadConfig(f"engine cache: {self.directory / _LOCK}: {err.strerror}") from err
        try:
            _hold(lock, self.directory, waiting)
            yield
        finally:
            os.close(lock)

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
    """A regular file of the folder, whole; None where there is none, one that is too large, or a disk that fails."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, dir_fd=folder)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > MOST_ENTRY_BYTES:
            return None
        try:
            return file.read(facts.st_size)
        except OSError as err:
            logger.warning("engine cache: %s: cannot be read: %s", name, err.strerror)
            return None


def _write_whole(folder: int, name: str, content: bytes) -> None:
    """Write a file that appears whole or not at all; what was there under its name goes."""
    partial = f".{secrets.token_hex(8)}{_PARTIAL}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(partial, flags, 0o600, dir_fd=folder), "wb") as file:
            with contextlib.suppress(OSError):  # says to others: still being written
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.write(content)
            file.flush()
            os.replace(partial, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        _remove(folder, partial)
        raise


def _hold(lock: int, directory: Path, waiting: Callable[[], None] | None) -> None:
    """Take a lock that ends with its descriptor, or the process; where a file system has none, go on with a warning."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    except BlockingIOError:
        pass
    except OSError as err:
        if err.errno not in _NO_LOCKS:
            raise BadConfig(f"engine cache: {directory / _LOCK}: {err.strerror}") from err
        logger.warning("%s: no locks here: what is built may be built twice", directory)
        return
    if waiting is not None:
        waiting()
    fcntl.flock(lock, fcntl.LOCK_EX)


def _touch(folder: int, name: str) -> None:
    """Say that an entry was used; where that is refused it only seems older."""
    with contextlib.suppress(OSError):
        os.utime(name, dir_fd=folder, follow_symlinks=False)


def _remove(folder: int, name: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(name, dir_fd=folder)


def _thin_out(folder: int) -> None:
    """Remove what is beyond `MOST_ENTRIES`, the longest unused first, and what killed writers left."""
    found = os.listdir(folder)
    for name in found:
        if name.endswith(_PARTIAL) and _is_left(folder, name):
            _remove(folder, name)
    names = [name for name in found if name.endswith(_SUFFIX)]
    by_age = sorted(names, key=lambda name: _last_used(folder, name))
    for name in by_age[:-MOST_ENTRIES]:
        _remove(folder, name)


def _is_left(folder: int, name: str) -> bool:
    """Whether nobody is writing a file any more."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(descriptor)
    except OSError:  # being written, or gone
        return False
    return True


def _last_used(folder: int, name: str) -> int:
    """When an entry was written or read last, ns; 0 where another process just removed it."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime_ns
    except OSError:
        return 0


def _parts(body: bytes) -> tuple[bytes, ...]:
    """The parts of an entry whose HMAC agrees."""
    parts, position = [], 0
    while position < len(body):
        (size,) = _LENGTH.unpack_from(body, position)
        position += _LENGTH.size
        parts.append(body[position : position + size])
        position += size
    return tuple(parts)
