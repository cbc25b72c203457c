"""From the bytes of a picture file to red, green and blue of one size, or a reason why not.

What a file claims about its size is read before anything of that size is made. Knows bytes and arrays.
"""

import struct
from typing import Final

import cv2
import numpy as np

from phenostream.engine.errors import BadInput
from phenostream.engine.types import U8

SUFFIXES: Final = (".jpeg", ".jpg", ".png")
LARGEST_FILE: Final = 8 << 20
_LEAST_SIDE, _MOST_SIDE = 48, 4096
_LEAST_COLOUR: Final = 6
"""Largest difference between the colours of a pixel in a picture that has no colour but for rounding."""
_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_FRAME_MARKERS: Final = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_BARE_MARKERS: Final = {0x01, *range(0xD0, 0xD8)}


def decode(content: bytes, side_px: int) -> tuple[U8, bool]:
    """A picture (side_px, side_px, 3) uint8 RGB, and whether it had to be resampled for that.

    Raises:
        BadInput: Not a whole JPEG or PNG, of an impossible size, or without colour.
    """
    if len(content) > LARGEST_FILE:
        raise BadInput(f"more than {LARGEST_FILE >> 20} MiB")
    height, width = claimed_size(content)
    for name, side in (("height", height), ("width", width)):
        if not _LEAST_SIDE <= side <= _MOST_SIDE:
            raise BadInput(f"{name} {side} px, allowed {_LEAST_SIDE} to {_MOST_SIDE}")
    bgr = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise BadInput("damaged: cannot be decoded")
    if not _has_colour(bgr):
        raise BadInput("grey: no colour, which tells stained cells apart")
    picture = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    if picture.shape[:2] == (side_px, side_px):
        return picture, False
    shrinks = max(picture.shape[:2]) > side_px
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (side_px, side_px), interpolation=how), np.uint8), True


def claimed_size(content: bytes) -> tuple[int, int]:
    """Height and width that a JPEG or PNG claims.

    Raises:
        BadInput: It is neither, or it ends before its picture does.
    """
    if content.startswith(_PNG):
        if len(content) < 24 or content[12:16] != b"IHDR" or b"IEND" not in content[-12:]:
            raise BadInput("damaged: a PNG without its beginning or end")
        width, height = struct.unpack(">II", content[16:24])
        return height, width
    if content.startswith(_JPEG):
        return _jpeg_size(content)
    raise BadInput("neither JPEG nor PNG" if content else "empty file")


def _jpeg_size(content: bytes) -> tuple[int, int]:
    if content.rfind(b"\xff\xd9") < content.rfind(b"\xff\xda"):
        raise BadInput("damaged: the JPEG ends before its picture does")
    at = 2
    while at + 9 < len(content):
        if content[at] != 0xFF:
            break
        marker = content[at + 1]
        if marker == 0xFF or marker in _BARE_MARKERS:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in _FRAME_MARKERS:
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return height, width
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    raise BadInput("damaged: a JPEG without a size")


def _has_colour(picture: U8) -> bool:
    spread = picture.max(axis=2).astype(np.int16) - picture.min(axis=2)
    return bool(np.quantile(spread, 0.99) >= _LEAST_COLOUR)
