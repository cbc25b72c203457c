"""Messages between the summariser and its worker over a pipe: four bytes of length, big-endian, then one msgpack map.

Safe on hostile bytes in both directions: whatever a broken worker writes is a message or one line of refusal.
"""

import struct
from collections.abc import Iterator
from typing import Any, Final

from phenostream.daemon.wire.codec import pack, unpack_result
from phenostream.engine.errors import BadMessage

MAX_MESSAGE_BYTES: Final = 1 << 20
_LENGTH: Final = struct.Struct(">I")


def framed(message: dict[str, Any]) -> bytes:
    """One message as it goes through the pipe.

    Raises:
        BadMessage: It is longer than 1 MiB.
    """
    content = pack(message)
    if len(content) > MAX_MESSAGE_BYTES:
        raise BadMessage(f"message: {len(content)} bytes, allowed 1 to {MAX_MESSAGE_BYTES}")
    return _LENGTH.pack(len(content)) + content


class Unframer:
    """Bytes as they come, to whole messages."""

    def __init__(self) -> None:
        """Start between two messages."""
        self._waiting = b""

    def feed(self, content: bytes) -> Iterator[dict[str, Any]]:
        """The messages that are whole now.

        Raises:
            BadMessage: A length or a content that is none; nothing more can be read then.
        """
        self._waiting += content
        while len(self._waiting) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._waiting)
            if not 1 <= length <= MAX_MESSAGE_BYTES:
                raise BadMessage(f"message: {length} bytes, allowed 1 to {MAX_MESSAGE_BYTES}")
            end = _LENGTH.size + length
            if len(self._waiting) < end:
                return
            message, self._waiting = self._waiting[_LENGTH.size : end], self._waiting[end:]
            yield unpack_result(message)
