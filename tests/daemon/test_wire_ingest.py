"""The ingest schema: closed, versioned, and one clear line for whatever breaks it."""

import re
from contextlib import suppress
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phenostream.daemon.wire import ingest
from phenostream.daemon.wire.codec import MAX_HEADER_BYTES, pack
from phenostream.engine.errors import BadMessage

RUN = "01890a5d-ac96-774b-bcce-b302099a8057"
START: dict[str, Any] = {
    "v": 1,
    "type": "start",
    "run": RUN,
    "instrument": "scope-1",
    "pixel_size_um": 0.1715,
    "dark_level": 30.0,
    "white_level": 4095.0,
    "bit_depth": 12,
    "dtype": "u16",
    "height": 2048,
    "width": 2048,
    "shots": ["left", "right", "top", "bottom"],
    "orientation": "left-bright-right",
    "wavelength_um": 0.53,
    "numerical_aperture": 0.5,
    "n_expected": None,
    "synthetic": True,
    "source_utc_ns": 2**63,
}
FRAME: dict[str, Any] = {
    "v": 1,
    "type": "frame",
    "run": RUN,
    "frame_seq": 2**64 - 2,
    "shape": [4, 2048, 2048],
    "dtype": "u16",
    "source_utc_ns": 0,
}
SHOT: dict[str, Any] = {
    "v": 1,
    "type": "shot",
    "run": RUN,
    "frame_seq": 0,
    "illumination": "top",
    "shape": [2048, 2048],
    "dtype": "u16",
    "source_utc_ns": 0,
}
HELLO: dict[str, Any] = {"v": 1, "type": "hello", "instrument": "scope-1"}
END: dict[str, Any] = {"v": 1, "type": "end", "run": RUN, "n_frames": 3}

MESSAGES: list[ingest.FromSource | ingest.FromDaemon] = [
    ingest.Hello(instrument="a", run=RUN),
    ingest.Welcome(max_message_bytes=1, credit_bytes=1, run=RUN, last_acked=2**64 - 1),
    ingest.Start.model_validate(START),
    ingest.Started(run=RUN),
    ingest.FrameHeader.model_validate(FRAME | {"x_um": -1.5, "crc32": 2**32 - 1}),
    ingest.ShotHeader.model_validate(SHOT | {"exposure_ms": 2.5}),
    ingest.Ack(run=RUN, frame_seq=0, fate="dropped", reason="code: text"),
    ingest.End(run=RUN, n_frames=0),
    ingest.Report(run=RUN, ledger={"received": 1}),
    ingest.Refused(reason="message: no", run=RUN, frame_seq=3),
]


@pytest.mark.parametrize("message", MESSAGES, ids=[message.type for message in MESSAGES])
def test_every_message_comes_back_as_it_was(
    message: ingest.FromSource | ingest.FromDaemon,
) -> None:
    data = ingest.encode(message)
    assert len(data) <= MAX_HEADER_BYTES
    if isinstance(message, get_args(ingest.FromSource)):
        assert ingest.decode_from_source(data) == message
        with pytest.raises(BadMessage, match="type"):
            ingest.decode_from_daemon(data)
    else:
        assert ingest.decode_from_daemon(data) == message
        with pytest.raises(BadMessage, match="type"):
            ingest.decode_from_source(data)


def test_integers_stand_for_floats_as_other_languages_send_them() -> None:
    message = ingest.decode_from_source(pack(START | {"dark_level": 30, "white_level": 4095}))
    assert isinstance(message, ingest.Start)
    assert message.dark_level == 30.0


@pytest.mark.parametrize("shots", [["top"], ["right", "left"], ["bottom", "top", "left", "right"]])
def test_a_frame_may_have_one_two_or_four_shots_in_any_order(shots: list[str]) -> None:
    start = ingest.decode_from_source(pack(START | {"shots": shots}))
    assert isinstance(start, ingest.Start)
    assert start.shots == tuple(shots)
    assert (start.shot_bytes, start.frame_bytes) == (2 * 2048**2, 2 * len(shots) * 2048**2)


FAULTS: list[tuple[str, dict[str, Any], str]] = [
    ("unknown version", HELLO | {"v": 2}, "v: '2', this daemon speaks version 1"),
    ("no version", {"type": "hello", "instrument": "a"}, "v: 'None'"),
    ("version true", HELLO | {"v": True}, "v: "),
    ("version 1.0", HELLO | {"v": 1.0}, "v: "),
    ("unknown type", HELLO | {"type": "hallo"}, "hallo"),
    ("no type", {"v": 1}, "type"),
    ("unknown key", HELLO | {"colour": 1}, "hello.colour: 1: unknown key"),
    ("missing key", {"v": 1, "type": "hello"}, "hello.instrument: missing"),
    (
        "name with a slash",
        HELLO | {"instrument": "../x"},
        "instrument: '../x': allowed 1 to 64 letters, digits",
    ),
    ("name too long", HELLO | {"instrument": "a" * 65}, "instrument"),
    ("name with a newline", HELLO | {"instrument": "a\n"}, "instrument"),
    ("run not a UUID", HELLO | {"run": "1"}, "run: '1': allowed a UUID"),
    ("negative number", END | {"n_frames": -1}, "n_frames: -1: allowed 0 to 18446744073709551615"),
    ("number as text", END | {"n_frames": "3"}, "n_frames: '3': allowed a whole number, 0 to"),
    ("number as truth", END | {"n_frames": True}, "n_frames: True"),
    (
        "pixel too large",
        START | {"pixel_size_um": 1.1},
        "pixel_size_um: 1.1: allowed 0.05 to 0.9",
    ),
    ("pixel not a number", START | {"pixel_size_um": float("nan")}, "pixel_size_um: nan"),
    (
        "light without end",
        START | {"white_level": float("inf")},
        "white_level: inf: allowed above 0 up to 65535",
    ),
    ("white below dark", START | {"dark_level": 4095.0}, "white_level: 4095, allowed above"),
    ("white beyond u8", START | {"dtype": "u8", "bit_depth": 8}, "beyond dtype u8"),
    ("depth beyond u8", START | {"dtype": "u8", "white_level": 255.0}, "beyond dtype u8"),
    (
        "shot twice",
        START | {"shots": ["left", "left", "top", "bottom"]},
        "1, 2 or 4 of left, right",
    ),
    (
        "three shots",
        START | {"shots": ["left", "right", "top"]},
        "shots: left, right, top: 1, 2 or 4 of left, right, top, bottom, each once",
    ),
    ("no shots", START | {"shots": []}, "shots: none: 1, 2 or 4 of"),
    ("a fifth shot", START | {"shots": ["left", "right", "top", "bottom", "left"]}, "1, 2 or 4"),
    ("endless shots", START | {"shots": ["left"] * 60}, "shots"),
    (
        "a fifth illumination",
        SHOT | {"illumination": "front"},
        "illumination: 'front': allowed 'left',",
    ),
    (
        "no illumination",
        {k: v for k, v in SHOT.items() if k != "illumination"},
        "illumination: missing",
    ),
    ("three dimensions", SHOT | {"shape": [4, 9, 9]}, "shape"),
    ("unknown shot", START | {"shots": ["left", "right", "top", "up"]}, "shots"),
    ("other orientation", START | {"orientation": "other"}, "orientation: 'other'"),
    ("tiny frame", START | {"height": 64}, "height: 64: allowed 128 to 16384"),
    ("huge frame", START | {"width": 1 << 20}, "width: 1048576"),
    ("float frame", START | {"dtype": "f4"}, "dtype: 'f4': allowed 'u8' or 'u16'"),
    (
        "endless position",
        FRAME | {"x_um": float("inf")},
        "x_um: inf: allowed a finite number, -1e+07 to 1e+07",
    ),
    ("compressed", FRAME | {"encoding": "zip"}, "encoding: 'zip'"),
    ("two dimensions", FRAME | {"shape": [4, 9]}, "shape"),
    ("shape of text", FRAME | {"shape": ["4", 9, 9]}, "shape"),
    ("checksum too large", FRAME | {"crc32": 2**32}, "crc32: 4294967296: allowed 0 to 4294967295"),
]


@pytest.mark.parametrize(
    ("message", "text"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS]
)
def test_what_breaks_the_schema_is_named_on_one_line(message: dict[str, Any], text: str) -> None:
    with pytest.raises(BadMessage) as raised:
        ingest.decode_from_source(pack(message))
    line = str(raised.value)
    assert text in line
    assert not re.search("Value error|Input should|Field required|Extra inputs|{", line)
    assert "\n" not in line
    assert len(line) < 300


VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=12)
    | st.binary(max_size=12)
    | st.lists(st.integers(-9, 9) | st.text(max_size=3), max_size=5)
    | st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=2)
)


@settings(max_examples=300)
@given(
    base=st.sampled_from([HELLO, START, FRAME, END]),
    changes=st.dictionaries(
        st.sampled_from(sorted({*HELLO, *START, *FRAME, *END, "crc32", "x_um", "location"})),
        VALUES,
        max_size=3,
    ),
    removed=st.sets(st.sampled_from(sorted(START)), max_size=2),
)
def test_any_mutation_is_a_valid_message_or_a_bad_one(
    base: dict[str, Any], changes: dict[str, Any], removed: set[str]
) -> None:
    raw = {key: value for key, value in (base | changes).items() if key not in removed}
    data = pack(raw)
    for decode in (ingest.decode_from_source, ingest.decode_from_daemon):
        with suppress(BadMessage):
            message = decode(data)
            assert decode(ingest.encode(message)) == message


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_bad_one(data: bytes) -> None:
    for decode in (ingest.decode_from_source, ingest.decode_from_daemon):
        with suppress(BadMessage):
            decode(data)


@settings(max_examples=300)
@given(st.sampled_from(MESSAGES), st.integers(0), st.integers(1, 255))
def test_a_flipped_byte_is_a_message_or_a_bad_one(
    message: ingest.FromSource | ingest.FromDaemon, place: int, flip: int
) -> None:
    data = bytearray(ingest.encode(message))
    data[place % len(data)] ^= flip
    for decode in (ingest.decode_from_source, ingest.decode_from_daemon):
        with suppress(BadMessage):
            decode(bytes(data))


@pytest.mark.parametrize(("dtype", "size"), [("u8", 1), ("u16", 2)])
def test_a_start_knows_the_length_of_its_frames(dtype: str, size: int) -> None:
    level = {"white_level": 200.0, "bit_depth": 8}
    start = ingest.Start.model_validate(START | level | {"dtype": dtype, "width": 128})
    assert start.frame_bytes == 4 * 2048 * 128 * size
    assert start.camera.pixel_size_um == 0.1715
