"""What a frame's message meets on its way in, as one function of bytes: header → shape → crop.

Any input ends as a refusal in one line, as a quarantine reason, or as crops that lie within the frame. An input is two
bytes with the header's length, the header, one byte that says how long the data are, and a pattern they are made of.
"""

from typing import Final

import numpy as np

from phenostream.daemon.pipeline.entries import Arrival, ReceivedFrame
from phenostream.daemon.pipeline.preparation import FramePath
from phenostream.daemon.sources.desk import decoded, printable
from phenostream.daemon.sources.frame_check import fault, frame_named, parts_of
from phenostream.daemon.wire.encoding import unpack_counts
from phenostream.daemon.wire.ingest import FrameHeader, Hello, ShotHeader, Start, encode
from phenostream.engine.crop import crop_starts
from phenostream.engine.detect import DetectorSettings
from phenostream.engine.errors import BadInput, BadMessage
from phenostream.engine.types import CROP_PX, REDUCED_PIXEL_UM, SHOTS

RUN: Final = "00000000-0000-7000-8000-000000000001"
_PATH: Final = FramePath(DetectorSettings(), 50)
REFUSED, QUARANTINED, CUT, OTHER = "refused", "quarantined", "cut", "other"


def fuzz_start(**changes: object) -> Start:
    """The run that every fuzzed frame is of."""
    fields: dict[str, object] = {
        "run": RUN,
        "instrument": "scope",
        "pixel_size_um": REDUCED_PIXEL_UM,
        "dark_level": 0.0,
        "white_level": 255.0,
        "bit_depth": 8,
        "dtype": "u8",
        "height": 128,
        "width": 128,
        "shots": SHOTS,
        "wavelength_um": 0.53,
        "numerical_aperture": 0.5,
        "synthetic": True,
        "source_utc_ns": 1,
    }
    return Start.model_validate(fields | changes)


START: Final = fuzz_start()


def one_input(data: bytes) -> str:
    """Run one input; what became of it.

    Raises:
        AssertionError: A promise is broken. Anything else that is raised breaks one too.
    """
    length = int.from_bytes(data[:2], "big")
    header_part, rest = data[2 : 2 + length], data[2 + length :]
    named = frame_named(header_part)
    assert named is None or 0 <= named.frame_seq < 2**64 - 1
    body = memoryview(_body(rest))
    try:
        header = decoded([memoryview(header_part), body] if rest else [memoryview(header_part)])
    except BadMessage as err:
        line = printable(str(err))
        assert line
        assert len(line) <= 300
        assert line.isprintable()
        return REFUSED
    if isinstance(header, FrameHeader | ShotHeader):
        return _checked(header, body)
    return OTHER


def _checked(header: FrameHeader | ShotHeader, body: memoryview) -> str:
    reason = fault(header, START, body, ("raw", "blosc2"))
    if reason is not None:
        assert ": " in reason
        assert "\n" not in reason
        return QUARANTINED
    if header.encoding == "blosc2":
        return _expanded(header, body)
    shots = parts_of(header, START, body)
    assert all(isinstance(shot, np.ndarray) and shot.shape == (128, 128) for shot in shots)
    if isinstance(header, ShotHeader):
        return CUT
    counts = tuple(shot for shot in shots if isinstance(shot, np.ndarray))
    return _cut(ReceivedFrame(Arrival(START, header.frame_seq, 1, 0.0), counts))


def _expanded(header: FrameHeader | ShotHeader, body: memoryview) -> str:
    size = START.frame_bytes if isinstance(header, FrameHeader) else START.shot_bytes
    try:
        assert unpack_counts(body, size).nbytes == size
    except BadInput:
        return QUARANTINED
    return CUT


def _cut(frame: ReceivedFrame) -> str:
    try:
        prepared, crops = _PATH.prepare(frame)
    except BadInput:
        return QUARANTINED
    n_seen = int(prepared.seen.sum())
    assert crops.images.shape == (n_seen, 4, CROP_PX, CROP_PX)
    assert np.isfinite(crops.images).all()
    found = prepared.detections
    for centres in (found.y[prepared.seen], found.x[prepared.seen]):
        starts = crop_starts(centres)
        assert ((starts >= 0) & (starts + CROP_PX <= 128)).all(), "a crop leaves the frame"
    return CUT


def _body(rest: bytes) -> bytes:
    """The data: as they are, or their pattern repeated to the length of a frame, of a shot, or one byte off."""
    if not rest:
        return b""
    sizes = {1: START.frame_bytes, 2: START.shot_bytes, 3: START.frame_bytes - 1}
    size = sizes.get(rest[0] % 5)
    pattern = rest[1:] or b"\0"
    return rest[1:] if size is None else (pattern * (size // len(pattern) + 1))[:size]


def seeds() -> list[bytes]:
    """Sound messages, by hand, and some that are wrong in one thing: where mutation begins."""
    frame = FrameHeader(
        run=RUN, frame_seq=0, shape=(4, 128, 128), dtype="u8", source_utc_ns=1, x_um=1.5, crc32=7
    )
    shot = ShotHeader(
        run=RUN, frame_seq=1, illumination="top", shape=(128, 128), dtype="u8", source_utc_ns=2
    )
    headers = [
        encode(frame.model_copy(update={"crc32": None})),
        encode(frame),
        encode(frame.model_copy(update={"shape": (4, 2**31, 2**33)})),
        encode(frame.model_copy(update={"encoding": "blosc2", "crc32": None})),
        encode(frame.model_copy(update={"location": "shm"})),
        encode(shot),
        encode(shot.model_copy(update={"frame_seq": 2**64 - 2})),
        encode(Hello(instrument="scope")),
        encode(START),
        b"\xc1",
        b"\x81" * 200,
    ]
    bodies = [b"\x01" + bytes(range(40, 200)), b"\x02\x80\x90", b"\x00", b"\x03\x07", b""]
    return [len(header).to_bytes(2, "big") + header + body for header in headers for body in bodies]
