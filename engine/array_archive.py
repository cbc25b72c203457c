"""A `.npz` of somebody else: what it claims is judged before anything of that size is taken, and nothing in it is run.

Reads what `numpy.savez` and `savez_compressed` write, and refuses what they do not: other compression, encryption,
objects, a table of contents larger than its few names need. numpy's own reader takes an array's header for a Python
expression, and the memory for its shape before it looks whether the bytes are there. Knows bytes and arrays; what they
should be, the caller knows.
"""

import math
import os
import re
import struct
import zipfile
import zlib
from types import TracebackType
from typing import IO, Any, Final, Self

import numpy as np
import numpy.typing as npt

from phenostream.engine.errors import BadInput

MOST_DIRECTORY_BYTES: Final = 64 << 10
"""Of the table of contents: some hundreds of arrays."""
_END: Final = struct.Struct("<4s4H2LH")
_END64: Final = struct.Struct("<4sQ2H2L4Q")
_LOCATOR: Final = struct.Struct("<4sLQL")
_TAIL: Final = _END64.size + _LOCATOR.size + _END.size
_PLAIN: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_MAGIC: Final = b"\x93NUMPY\x01\x00"
_HEADER: Final = re.compile(
    rb"\{'descr': '([<|][biufU][1-9]\d{0,3})', 'fortran_order': (True|False), "
    rb"'shape': \(((?:\d{1,19}, ?)*(?:\d{1,19})?)\), \} *\n"
)
"""Of format 1.0, which numpy writes for every array of plain numbers or text."""
_LONGEST_HEADER: Final = 4096
_DAMAGE: Final = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    TypeError,
    OverflowError,
    RuntimeError,
    NotImplementedError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)
"""What zipfile, zlib and numpy raise for files that are cut short, altered or made up."""


class ArrayArchive:
    """An open archive; use it in `with`.

    Args:
        file: Open for reading; the caller closes it.
        most_bytes: What all arrays together may unpack to.

    Attributes:
        sizes: Bytes that each array unpacks to with its header, by name, as the table of contents claims; no more are
            ever read.

    Raises:
        BadInput: It is no such archive, or claims more than `most_bytes`.
    """

    def __init__(self, file: IO[bytes], most_bytes: int) -> None:
        try:
            check_directory(file)
            self._archive = zipfile.ZipFile(file)
        except _DAMAGE as err:
            raise BadInput(_line(err)) from err
        members = self._archive.infolist()
        self.sizes = {member.filename.removesuffix(".npy"): member.file_size for member in members}
        if len(self.sizes) < len(members):
            raise BadInput("an array is there twice")
        if any(member.compress_type not in _PLAIN for member in members):
            raise BadInput("compressed in another way than deflated")
        unpacked = sum(self.sizes.values())
        if unpacked > most_bytes:
            raise BadInput(f"unpacks to {unpacked} bytes, allowed {most_bytes}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._archive.close()

    def read(self, name: str) -> npt.NDArray[Any]:
        """One array, in memory of its own.

        Raises:
            BadInput: It is not there, is damaged, holds objects, or has not the bytes that its header claims.
        """
        try:
            with self._archive.open(f"{name}.npy") as member:
                return _array(member, self.sizes[name])
        except BadInput as err:
            raise BadInput(f"{name}: {err}") from err
        except _DAMAGE as err:
            raise BadInput(f"{name}: {_line(err)}") from err


def _array(member: IO[bytes], size: int) -> npt.NDArray[Any]:
    start = member.read(len(_MAGIC) + 2)
    length = int.from_bytes(start[len(_MAGIC) :], "little")
    if start[: len(_MAGIC)] != _MAGIC or length > _LONGEST_HEADER:
        raise BadInput("not an array as numpy writes it")
    match = _HEADER.fullmatch(member.read(length))
    if match is None:
        raise BadInput("not an array of plain numbers")
    dtype = np.dtype(match[1].decode())
    shape = tuple(int(part) for part in match[3].replace(b",", b" ").split())
    expected, left = math.prod(shape) * dtype.itemsize, size - len(start) - length
    if expected != left:
        raise BadInput(f"{dtype} {shape}"[:80] + f" is {expected:.6g} bytes, {left} are there")
    content = bytearray(left)
    view, filled = memoryview(content), 0
    while filled < left and (some := member.read(min(left - filled, 1 << 20))):
        view[filled : filled + len(some)] = some
        filled += len(some)
    if filled < left:
        raise BadInput(f"ends after {filled} of {left} bytes")
    return np.ndarray(shape, dtype, buffer=content, order="F" if match[2] == b"True" else "C")


def check_directory(file: IO[bytes]) -> None:
    """How long the table of contents of a zip file claims to be, before it is read; leaves the file at its start.

    Raises:
        BadInput: Longer than `MOST_DIRECTORY_BYTES`, or it is no zip file without a comment.
    """
    length = file.seek(0, os.SEEK_END)
    file.seek(max(0, length - _TAIL))
    tail = file.read(_TAIL)
    file.seek(0)
    if len(tail) < _END.size or tail[-_END.size :][:4] != b"PK\5\6" or tail[-2:] != b"\0\0":
        raise BadInput("not a plain zip archive")
    directory = _END.unpack(tail[-_END.size :])[5]
    if len(tail) == _TAIL and tail[_END64.size :][:4] == b"PK\6\7":  # zipfile believes this one
        directory = _END64.unpack(tail[: _END64.size])[8]
    if directory > MOST_DIRECTORY_BYTES:
        raise BadInput(f"a table of contents of {directory} bytes, allowed {MOST_DIRECTORY_BYTES}")


def _line(err: BaseException) -> str:
    return " ".join(str(err).split())[:120] or type(err).__name__
