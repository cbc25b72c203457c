"""Messages survive any cutting of the stream; anything else is refused in one line."""

from typing import Any

import pytest

from phenostream.daemon.summariser.framing import MAX_MESSAGE_BYTES, Unframer, framed
from phenostream.engine.errors import BadMessage

MESSAGES: list[dict[str, Any]] = [{"a": 1}, {"text": "µm 🧫" * 100}, {}, {"list": [{"b": None}]}]


@pytest.mark.parametrize("step", [1, 3, 5, 64, 1 << 16])
def test_messages_survive_any_cutting_of_the_stream(step: int) -> None:
    stream = b"".join(framed(message) for message in MESSAGES)
    unframer = Unframer()
    heard = [
        message
        for place in range(0, len(stream), step)
        for message in unframer.feed(stream[place : place + step])
    ]
    assert heard == MESSAGES


@pytest.mark.parametrize(
    "stream", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\1\xc0", b"\0\0\0\2\x81\x01", b"garbage!"]
)
def test_what_is_no_message_is_refused(stream: bytes) -> None:
    with pytest.raises(BadMessage):
        list(Unframer().feed(stream))


def test_a_message_that_is_too_long_is_not_sent() -> None:
    with pytest.raises(BadMessage, match="allowed 1 to"):
        framed({"blob": b"x" * (MAX_MESSAGE_BYTES + 1)})
