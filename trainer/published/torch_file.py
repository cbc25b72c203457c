"""The file of `torch.save`, opened without torch's or numpy's own loading: a table of contents first, bytes later.

Knows the two containers: the zip of today and the older row of pickles. Neither torch nor numpy builds anything from
the file's words: numpy takes even the flags of a dtype from a pickle, so that a forged object dtype turns bytes into
pointers. A tensor is a `TensorEntry` until its shape was judged and `read` is called.
"""

import io
import lzma
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Final

import torch
from torch import Tensor

from phenostream.engine.errors import BadInput
from phenostream.trainer.published.inert_pickle import Call, Malformed, read_pickle
from phenostream.trainer.published.tensor_entry import ALLOWED, TensorEntry, as_tensor

LARGEST_FILE: Final = 256 << 20
"""Bytes. The published layout has 7 MB of weights; an optimiser's state is twice that."""
_LARGEST_PICKLE: Final = 64 << 20
_MAGIC: Final = 0x1950A86A20F9469CFC6C
"""First value of the older container."""
_OLD_PROTOCOL: Final = 1001
_PICKLE: Final = re.compile(r"(?:[^/]{1,200}/)?data\.pkl")
_DAMAGE: Final = (
    Malformed,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    NotImplementedError,
    EOFError,
    RuntimeError,
    ValueError,
    OSError,
)
"""What the containers raise for a file that is cut short, altered, encrypted or packed in an unknown way."""


class TorchFile:
    """An open file of `torch.save`; use it in `with`.

    Attributes:
        name: For messages.
        content: What was saved, as `read_pickle` gives it; `as_tensor` recognises its tensors.
    """

    def __init__(self, path: Path) -> None:
        """Open and read the table of contents.

        Raises:
            BadInput: No regular file, too large, damaged, a program, or it mentions what is not `ALLOWED`.
        """
        self.name = path.name or str(path)
        self._archive: zipfile.ZipFile | None = None
        self._root = ""
        self._places: dict[str, int] = {}
        with ExitStack() as held:
            try:
                self._file = held.enter_context(_opened(path))
                self.content = self._contents(held)
            except BadInput as err:
                raise BadInput(f"{self.name}: {err}") from err
            except _DAMAGE as err:
                raise BadInput(f"{self.name}: not a readable checkpoint: {_line(err)}") from err
            self._held = held.pop_all()

    def __enter__(self) -> "TorchFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def read(self, entry: TensorEntry) -> Tensor:
        """The tensor itself, in memory of its own, in its own dtype.

        Raises:
            BadInput: Its storage is absent, damaged, or not as long as it says.
        """
        size = entry.numel * entry.dtype.itemsize
        try:
            data = self._storage(entry.storage, size)
        except _DAMAGE as err:
            raise BadInput(f"{self.name}: storage {entry.storage}: {_line(err)}") from err
        if not size:
            return torch.zeros(entry.shape, dtype=entry.dtype)
        flat = torch.frombuffer(bytearray(data), dtype=entry.dtype)
        return flat.as_strided(entry.shape, entry.stride, entry.offset).clone()

    def _contents(self, held: ExitStack) -> Any:
        start = self._file.read(262)
        self._file.seek(0)
        if start.startswith(b"PK"):
            self._archive = held.enter_context(zipfile.ZipFile(self._file))
            return self._zip_contents(self._archive.namelist())
        if start[257:] == b"ustar":
            raise Malformed("a tar file, as torch wrote before 0.2; save it again with a newer one")
        return self._old_contents()

    def _zip_contents(self, names: list[str]) -> Any:
        if len(set(names)) < len(names):
            raise Malformed("a member is there twice")
        roots = [name.removesuffix("data.pkl") for name in names if _PICKLE.fullmatch(name)]
        if len(roots) != 1:
            raise Malformed(f"a zip file with {len(roots)} members data.pkl, expected one")
        self._root = roots[0]
        program = (f"{self._root}code/", f"{self._root}constants.pkl")
        if any(name.startswith(program) for name in names):
            raise BadInput("a TorchScript archive, which is a program; expected saved weights")
        if f"{self._root}byteorder" in names and self._member("byteorder", 16) != b"little":
            raise Malformed("its numbers are big-endian, expected little-endian")
        return read_pickle(io.BytesIO(self._member("data.pkl", _LARGEST_PICKLE)), ALLOWED)

    def _old_contents(self) -> Any:
        """Magic number, protocol, system, the object, the keys of its storages, then these in order."""
        if read_pickle(self._file, ()) != _MAGIC:
            raise Malformed("not written by torch.save")
        protocol, system = read_pickle(self._file, ()), read_pickle(self._file, ())
        if protocol != _OLD_PROTOCOL or not isinstance(system, dict):
            raise Malformed("of an unknown version")
        if not system.get("little_endian", True):
            raise Malformed("its numbers are big-endian, expected little-endian")
        content = read_pickle(self._file, ALLOWED)
        keys = read_pickle(self._file, ())
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise Malformed("has no list of storages")
        entries = {entry.storage: entry for entry in _tensors(content)}
        for key in keys:
            entry = entries.get(key)
            length = int.from_bytes(self._file.read(8), "little", signed=True)
            if entry is None or length != entry.numel:
                raise Malformed(f"storage {key[:40]!r} has {length} numbers, expected another size")
            self._places[key] = self._file.tell()
            self._file.seek(length * entry.dtype.itemsize, io.SEEK_CUR)
        return content

    def _storage(self, key: str, size: int) -> bytes:
        if self._archive is not None:
            data = self._member(f"data/{key}", size)
        elif key in self._places:
            self._file.seek(self._places[key])
            data = self._file.read(min(size, LARGEST_FILE))
        else:
            raise Malformed("is missing")
        if len(data) != size:
            raise Malformed(f"has {len(data)} bytes, expected {size}")
        return data

    def _member(self, name: str, limit: int) -> bytes:
        """A member of the archive, of at most `limit` bytes whatever it says of itself when packed."""
        archive, whole = self._archive, f"{self._root}{name}"
        if archive is None or whole not in archive.NameToInfo:
            raise Malformed(f"{name} is missing")
        info = archive.getinfo(whole)
        if info.file_size > min(limit, LARGEST_FILE):
            raise Malformed(f"{name} unpacks to {info.file_size} bytes, allowed {limit}")
        with archive.open(info) as member:
            return member.read()


def _tensors(value: Any) -> Iterator[TensorEntry]:
    """Every plain tensor in a value; without recursion, for a file may nest as deep as it likes."""
    waiting: list[Any] = [value]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        entry = as_tensor(one)
        if entry is not None:
            if not entry.kind:
                yield entry
        elif isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, (list, tuple)):
            waiting += one
        elif isinstance(one, Call):
            waiting += one.arguments


def _opened(path: Path) -> IO[bytes]:
    """The file, if it is a regular one of a possible size; a pipe is not waited for."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
            raise BadInput(f"is {kind}, expected a checkpoint file")
        if not 0 < status.st_size <= LARGEST_FILE:
            raise BadInput(f"has {status.st_size} bytes, allowed 1 to {LARGEST_FILE}")
        return path.open("rb")
    except OSError as err:
        raise BadInput(f"cannot be read ({err.strerror})") from err


def _line(err: BaseException) -> str:
    text = " ".join(str(err).split())[:160] or type(err).__name__
    return text if text.isprintable() else ascii(text)
