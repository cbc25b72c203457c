"""What a GGUF file says about itself, read without any library and without its weights.

The layout is that of GGUF versions 2 and 3, little-endian: magic, counts, typed keys, then a table of tensors; their
data lies behind. Every length is judged before memory is taken for it, and values that nobody asks for (vocabularies
of some megabytes) are walked over. Knows what is written in a file; whether a model is fit to be used, `fitness` says.
"""

import math
import os
import stat
import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from phenostream.engine.errors import BadLanguageModel

MOST_HEADER_BYTES: Final = 32 << 20
"""Of keys and tensor table together; a vocabulary of 150,000 words needs 6 MB."""
LONGEST_TEXT_BYTES: Final = 1 << 20
_MAGIC: Final = b"GGUF"
_VERSIONS: Final = (2, 3)
_MOST_KEYS: Final = 4096
_MOST_TENSORS: Final = 65_536
_MOST_LISTED_TEXTS: Final = 1 << 21
"""In all lists together, for each has to be walked over: vocabularies have up to some 300,000, and as many merges."""
_MOST_DIMENSIONS: Final = 4
_MOST_ELEMENTS: Final = 1 << 50
"""Of one tensor, and of an alignment: beyond any file."""
_LONGEST_KEY: Final = 512
_LONGEST_FACT: Final = 128

_TEXT: Final = 8
_ARRAY: Final = 9
_SCALARS: Final = {
    code: struct.Struct(f"<{form}")
    for code, form in ((0, "B"), (1, "b"), (2, "H"), (3, "h"), (4, "I"), (5, "i"), (6, "f"))
} | {
    7: struct.Struct("<?"),
    10: struct.Struct("<Q"),
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
_U32: Final = _SCALARS[4]
_U64: Final = _SCALARS[10]

_TENSOR_TYPES: Final = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    9: ("Q8_1", 32, 36),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
}
"""Code in the file: name, values in a block, bytes of a block. Of other codes the size is not known."""


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What a file says about itself; all texts are a stranger's.

    Attributes:
        architecture: As llama.cpp names it.
        name: What the model calls itself; empty where it does not.
        parameters: Values in all tensors.
        quantisation: How most of them are stored.
        licence: As stated, usually an SPDX name in small letters; empty where none is.
        chat_template: How a conversation is written for it; empty for a base model.
        context_length: Tokens that it was trained for; None where the file does not say.
        tensors: How many there are.
    """

    architecture: str
    name: str
    parameters: int
    quantisation: str
    licence: str
    chat_template: str
    context_length: int | None
    tensors: int


def read_header(path: Path) -> GgufHeader:
    """What the file says about itself.

    Raises:
        BadLanguageModel: It cannot be read, is no GGUF of a version we know, is damaged, or is cut short.
    """
    try:
        with os.fdopen(
            os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb", 1 << 18
        ) as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                raise BadLanguageModel("not a plain file")
            return parse_header(file, facts.st_size)
    except BadLanguageModel as err:
        raise BadLanguageModel(f"{path}: {err}") from err
    except OSError as err:
        raise BadLanguageModel(f"{path}: {(err.strerror or str(err)).lower()}") from err


def parse_header(file: IO[bytes], size: int) -> GgufHeader:
    """The header of an open file.

    Args:
        file: At its first byte.
        size: Bytes of the whole file.

    Raises:
        BadLanguageModel: As `read_header`; the text does not name the file.
    """
    head = _Head(file, size)
    if head.take(len(_MAGIC), "magic") != _MAGIC:
        raise BadLanguageModel("not a GGUF file")
    version = head.number(_U32, "version")
    if version not in _VERSIONS:
        raise BadLanguageModel(f"GGUF version {version}, allowed {_VERSIONS[0]} and {_VERSIONS[1]}")
    tensors = head.count("tensors", _MOST_TENSORS)
    keys = head.count("keys", _MOST_KEYS)
    facts = _Facts(head, keys)
    if (parts := facts.number("split.count", 1)) != 1:
        raise BadLanguageModel(f"one of {parts} parts of a model, allowed a whole one")
    table = _TensorTable(head, tensors)
    table.check_size(size, facts.number("general.alignment", 32))
    architecture = facts.text("general.architecture", _LONGEST_FACT)
    if not architecture:
        raise BadLanguageModel("no general.architecture")
    return GgufHeader(
        architecture,
        facts.text("general.name", _LONGEST_FACT),
        table.parameters,
        table.quantisation,
        facts.text("general.license", _LONGEST_FACT),
        facts.text("tokenizer.chat_template", LONGEST_TEXT_BYTES),
        facts.number(f"{architecture}.context_length", 0) or None,
        tensors,
    )


class _Head:
    """Reads forward and never past the file or `MOST_HEADER_BYTES`."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._end = min(size, MOST_HEADER_BYTES)
        self._is_limit = size > MOST_HEADER_BYTES
        self.position = 0
        self.texts_left = _MOST_LISTED_TEXTS

    def take(self, length: int, what: str) -> bytes:
        self._reach(length, what)
        data = self._file.read(length)
        if len(data) != length:
            raise BadLanguageModel(f"cut short in {what}, at byte {self.position - length}")
        return data

    def skip(self, length: int, what: str) -> None:
        self._reach(length, what)
        self._file.seek(length, os.SEEK_CUR)

    def number(self, form: struct.Struct, what: str) -> Any:
        return form.unpack(self.take(form.size, what))[0]

    def count(self, what: str, most: int) -> int:
        found = int(self.number(_U64, what))
        if found > most:
            raise BadLanguageModel(f"{found} {what}, allowed 0 to {most}")
        return found

    def text(self, what: str, longest: int) -> str:
        length = int(self.number(_U64, what))
        if length > longest:
            raise BadLanguageModel(f"{what}: {length} bytes, allowed {longest}")
        try:
            return self.take(length, what).decode()
        except UnicodeDecodeError as err:
            raise BadLanguageModel(f"{what}: not UTF-8") from err

    def _reach(self, length: int, what: str) -> None:
        self.position += length
        if self.position > self._end:
            if self._is_limit:
                raise BadLanguageModel(
                    f"{what}: the header is longer than {MOST_HEADER_BYTES} bytes"
                )
            raise BadLanguageModel(f"cut short in {what}, at byte {self.position - length}")


class _Facts:
    """The keys that somebody asks for; the others are walked over."""

    _ASKED: Final = (
        "general.architecture",
        "general.name",
        "general.license",
        "general.alignment",
        "split.count",
        "tokenizer.chat_template",
    )

    def __init__(self, head: _Head, keys: int) -> None:
        self._held: dict[str, Any] = {}
        for _ in range(keys):
            key = head.text("a key's name", _LONGEST_KEY)
            if not key.isprintable():
                raise BadLanguageModel(f"a key's name: {key!r:.80}, allowed what can be printed")
            kind = head.number(_U32, "a key's type")
            if key not in self._ASKED and not key.endswith(".context_length"):
                _skip(head, kind, key)
                continue
            if key in self._held:
                raise BadLanguageModel(f"{key}: there twice")
            if kind == _TEXT:
                self._held[key] = head.text(key, LONGEST_TEXT_BYTES)
            elif kind in _SCALARS:
                self._held[key] = head.number(_SCALARS[kind], key)
            else:
                raise BadLanguageModel(f"{key}: type {kind}, allowed a text or a number")

    def text(self, key: str, longest: int) -> str:
        value = self._held.get(key, "")
        if not isinstance(value, str):
            raise BadLanguageModel(f"{key}: {value}, allowed a text")
        if len(value) > longest:
            raise BadLanguageModel(f"{key}: {len(value)} letters, allowed {longest}")
        return value

    def number(self, key: str, default: int) -> int:
        value = self._held.get(key, default)
        if type(value) is not int or not 0 <= value <= _MOST_ELEMENTS:
            raise BadLanguageModel(f"{key}: {value!r:.40}, allowed a whole number from 0")
        return value


class _TensorTable:
    """Which tensors there are, how large, and where their data ends."""

    def __init__(self, head: _Head, tensors: int) -> None:
        self.parameters = 0
        self._stored: Counter[str] = Counter()
        self._end = 0
        for _ in range(tensors):
            name = head.text("a tensor's name", _LONGEST_FACT)
            dimensions = head.number(_U32, "a tensor's dimensions")
            if not 1 <= dimensions <= _MOST_DIMENSIONS:
                raise BadLanguageModel(
                    f"tensor {name!r}: {dimensions} dimensions, allowed 1 to {_MOST_DIMENSIONS}"
                )
            values = math.prod(head.number(_U64, "a tensor's shape") for _ in range(dimensions))
            if not 1 <= values <= _MOST_ELEMENTS:
                raise BadLanguageModel(
                    f"tensor {name!r}: {values} values, allowed 1 to {_MOST_ELEMENTS}"
                )
            kind = head.number(_U32, "a tensor's type")
            offset = head.number(_U64, "a tensor's offset")
            label, block, size = _TENSOR_TYPES.get(kind, (f"type {kind}", 1, 0))
            self.parameters += values
            self._stored[label] += values
            self._end = max(self._end, offset + -(-values // block) * size)
        self._begin = head.position

    @property
    def quantisation(self) -> str:
        """How most values are stored; empty where there are none."""
        return max(self._stored, key=self._stored.__getitem__, default="")

    def check_size(self, size: int, alignment: int) -> None:
        """Refuse a file that ends before its tensors do."""
        if not 1 <= alignment <= MOST_HEADER_BYTES:
            raise BadLanguageModel(
                f"general.alignment: {alignment}, allowed 1 to {MOST_HEADER_BYTES}"
            )
        expected = -(-self._begin // alignment) * alignment + self._end
        if size < expected:
            raise BadLanguageModel(f"cut short: {size} bytes, its tensors need {expected}")


def _skip(head: _Head, kind: int, key: str) -> None:
    if kind in _SCALARS:
        head.skip(_SCALARS[kind].size, key)
    elif kind == _TEXT:
        head.skip(int(head.number(_U64, key)), key)
    elif kind == _ARRAY:
        inner, count = head.number(_U32, key), int(head.number(_U64, key))
        if inner in _SCALARS:
            head.skip(count * _SCALARS[inner].size, key)
        elif inner == _TEXT:
            if count > head.texts_left:
                raise BadLanguageModel(
                    f"{key}: {count} texts in a list, allowed {_MOST_LISTED_TEXTS} in all lists"
                )
            head.texts_left -= count
            for _ in range(count):
                head.skip(int(head.number(_U64, key)), key)
        else:
            raise BadLanguageModel(f"{key}: a list of type {inner}, allowed numbers or texts")
    else:
        raise BadLanguageModel(f"{key}: type {kind}, allowed 0 to 12")
