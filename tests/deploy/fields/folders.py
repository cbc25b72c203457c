"""Folders of drawn smear fields with annotations, as people's tools write them."""

from pathlib import Path

import cv2
import numpy as np

from phenostream.engine.types import U8
from tests.engine.test_stained import WHITE, smear

Box = tuple[str, float, float, float, float]
"""Name and corners as written: pixels from 1, both ends belong to the box."""
MARKED: tuple[Box, ...] = tuple(("WBC", x - 99, y - 99, x + 100, y + 100) for x, y in WHITE)


def annotation(
    boxes: tuple[Box, ...] = MARKED, width: int = 640, height: int = 480, head: str = ""
) -> str:
    """The text of one annotation."""
    objects = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{left}</xmin><ymin>{top}</ymin>"
        f"<xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
        for name, left, top, right, bottom in boxes
    )
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"{head}<annotation><filename>other.jpg</filename>{size}{objects}</annotation>"


def jpeg(picture: U8) -> bytes:
    """The file of a picture in red, green, blue."""
    _, content = cv2.imencode(".jpg", np.ascontiguousarray(picture[..., ::-1]))
    return bytes(content.tobytes())


def write_field(
    folder: Path, name: str, text: str | None = None, content: bytes | None = None
) -> None:
    """One field: by default the drawn smear with its two white cells marked."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.xml").write_text(annotation() if text is None else text)
    (folder / f"{name}.jpg").write_bytes(jpeg(smear()) if content is None else content)
