"""Small GGUF files for tests: whatever keys and tensors one wants, right or wrong."""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
Value = str | int | float | bool | list[str] | list[int]


@dataclass(frozen=True)
class Tensor:
    """One line of the table; `kind` 0 is F32."""

    name: str = "token_embd.weight"
    shape: Sequence[int] = (4, 8)
    kind: int = 0
    offset: int = 0


@dataclass(frozen=True)
class Gguf:
    """A file; `as_bytes` writes it with `data` zeros behind its header."""

    keys: dict[str, Value] = field(default_factory=dict)
    tensors: Sequence[Tensor] = (Tensor(),)
    data: int = 128
    version: int = 3
    magic: bytes = b"GGUF"

    def as_bytes(self) -> bytes:
        counts = struct.pack("<IQQ", self.version, len(self.tensors), len(self.keys))
        keys = b"".join(text(key) + typed(value) for key, value in self.keys.items())
        head = self.magic + counts + keys + b"".join(map(line, self.tensors))
        return head + bytes(-len(head) % 32 + self.data)


def chat_model(**more: Value) -> Gguf:
    """A file that is fit to be used, apart from its weights; `more` replaces keys, with ``__`` for a dot."""
    keys: dict[str, Value] = {
        "general.architecture": "llama",
        "general.name": "Toy Instruct",
        "general.license": "apache-2.0",
        "llama.context_length": 2048,
        "tokenizer.ggml.tokens": ["a", "b", "c"],
        "tokenizer.ggml.token_type": [1, 1, 1],
        "tokenizer.chat_template": TEMPLATE,
    }
    return Gguf(keys | {name.replace("__", "."): value for name, value in more.items()})


def text(value: str | bytes) -> bytes:
    content = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(content)) + content


def typed(value: Value) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return (
            struct.pack("<II", 4, value) if 0 <= value < 1 << 32 else struct.pack("<Iq", 11, value)
        )
    if isinstance(value, float):
        return struct.pack("<Id", 12, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + text(value)
    inner = 8 if value and isinstance(value[0], str) else 5
    return struct.pack("<IIQ", 9, inner, len(value)) + elements(value)


def elements(values: Iterable[str | int]) -> bytes:
    return b"".join(text(v) if isinstance(v, str) else struct.pack("<i", v) for v in values)


def line(tensor: Tensor) -> bytes:
    shape = struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape)
    return text(tensor.name) + shape + struct.pack("<IQ", tensor.kind, tensor.offset)
