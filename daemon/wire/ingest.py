"""Messages between a microscope and the daemon: HELLO, WELCOME, START, STARTED, FRAME, SHOT, ACK, END, REPORT, REFUSED.

One message is one header frame (msgpack) and, for FRAME and SHOT only, one data frame: all shots of the frame in C
order, or one of them. The schema is closed: an unknown key, type or version is refused. A source speaks HELLO first;
the daemon answers WELCOME with the largest message, the credit (bytes a source may have sent and not seen acknowledged)
and where to resume.
"""

from typing import Annotated, Any, Final, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from phenostream.daemon.wire.codec import pack, unpack_header
from phenostream.daemon.wire.validation import describe
from phenostream.engine.errors import BadMessage
from phenostream.engine.types import LARGEST_PIXEL_UM, SMALLEST_PIXEL_UM, Camera

VERSION: Final = 1
Fate = Literal["published", "dropped", "quarantined", "failed"]
Mode = Literal["lossless", "best-effort"]
"""Whether a source is answered, so that nothing is lost on the way, or only listened to, so that gaps are counted."""
EndedBy = Literal["source", "timeout"]

RunId = Annotated[
    str, Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
U64 = Annotated[int, Field(ge=0, le=2**64 - 1)]
HIGHEST_SEQ: Final = 2**64 - 2
"""Of a frame: END's `n_frames` is one more, and a u64."""
FrameSeq = Annotated[int, Field(ge=0, le=HIGHEST_SEQ)]
Position = Annotated[float, Field(ge=-1e7, le=1e7, allow_inf_nan=False)]
Shot = Literal["left", "right", "top", "bottom"]
"""An illumination, and the camera image under it."""
Encoding = Literal["raw", "blosc2"]
Exposure = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Crc32 = Annotated[int, Field(ge=0, le=2**32 - 1)]
SHOT_COUNTS: Final = (1, 2, 4)
"""How many shots a frame may have."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    v: Literal[1] = 1


class Hello(_Message):
    """Source → daemon: who I am, and which run I would resume."""

    type: Literal["hello"] = "hello"
    instrument: Name
    run: RunId | None = None


class Welcome(_Message):
    """Daemon → source: what you may send.

    Attributes:
        max_message_bytes: Largest data frame accepted.
        credit_bytes: Data bytes that may be sent and not yet acknowledged; one frame is always allowed.
        encodings: Of the data, that this daemon can read.
        last_acked: Highest frame_seq up to which every frame of the asked run has a fate, or None.
    """

    type: Literal["welcome"] = "welcome"
    max_message_bytes: Annotated[int, Field(gt=0)]
    credit_bytes: Annotated[int, Field(gt=0)]
    encodings: Annotated[tuple[Encoding, ...], Field(strict=False)] = ("raw",)
    run: RunId | None = None
    last_acked: U64 | None = None


class Start(_Message):
    """Source → daemon: one run begins. Repeating the same START (after a reconnect) is harmless.

    Attributes:
        pixel_size_um: Camera pixel at the sample, µm; never guessed.
        dark_level: Counts in the dark.
        white_level: Counts at saturation.
        shots: The illuminations of every frame, each once, in the order of the data: 1, 2 or 4 of them.
        orientation: ``left-bright-right``: the left shot has the bright edge of a cell on its right.
        n_expected: Announced number of frames, or None when open-ended.
        synthetic: True for a simulated microscope; every record of the run repeats it as `source_synthetic`.
    """

    type: Literal["start"] = "start"
    run: RunId
    instrument: Name
    pixel_size_um: Annotated[float, Field(ge=SMALLEST_PIXEL_UM, le=LARGEST_PIXEL_UM)]
    dark_level: Annotated[float, Field(ge=0, le=65534)]
    white_level: Annotated[float, Field(gt=0, le=65535)]
    bit_depth: Annotated[int, Field(ge=1, le=16)]
    dtype: Literal["u8", "u16"]
    height: Annotated[int, Field(ge=128, le=16384)]
    width: Annotated[int, Field(ge=128, le=16384)]
    shots: Annotated[tuple[Shot, ...], Field(strict=False, max_length=8)]
    orientation: Literal["left-bright-right"] = "left-bright-right"
    wavelength_um: Annotated[float, Field(ge=0.3, le=1.1)]
    numerical_aperture: Annotated[float, Field(gt=0, le=1.5)]
    n_expected: U64 | None = None
    synthetic: bool
    source_utc_ns: U64

    @model_validator(mode="after")
    def _consistent(self) -> "Start":
        if len(self.shots) not in SHOT_COUNTS or len(set(self.shots)) != len(self.shots):
            raise ValueError(
                f"shots: {', '.join(self.shots) or 'none'}: 1, 2 or 4 of left, right, top, bottom, each once"
            )
        if self.white_level <= self.dark_level:
            raise ValueError(
                f"white_level: {self.white_level:g}, allowed above dark_level {self.dark_level:g}"
            )
        top = 255 if self.dtype == "u8" else 65535
        if self.white_level > top or self.bit_depth > (8 if self.dtype == "u8" else 16):
            raise ValueError(
                f"white_level {self.white_level:g} or bit_depth {self.bit_depth} beyond dtype {self.dtype}"
            )
        return self

    @property
    def frame_bytes(self) -> int:
        """Counts of one whole frame in bytes."""
        return len(self.shots) * self.shot_bytes

    @property
    def shot_bytes(self) -> int:
        """Counts of one shot in bytes."""
        return self.height * self.width * (1 if self.dtype == "u8" else 2)

    @property
    def camera(self) -> Camera:
        """The pixel facts the engine needs."""
        return Camera(self.pixel_size_um, self.dark_level, self.white_level, self.dtype)


class Started(_Message):
    """Daemon → source: the run is open; frames up to `last_acked` already have their fate."""

    type: Literal["started"] = "started"
    run: RunId
    last_acked: U64 | None = None


class FrameHeader(_Message):
    """Source → daemon: one whole frame; the data frame follows. `crc32` (of the data) is checked when given."""

    type: Literal["frame"] = "frame"
    run: RunId
    frame_seq: FrameSeq
    shape: Annotated[tuple[int, int, int], Field(strict=False)]
    dtype: Literal["u8", "u16"]
    encoding: Encoding = "raw"
    location: Literal["inline", "shm"] = "inline"
    x_um: Position | None = None
    y_um: Position | None = None
    z_um: Position | None = None
    exposure_ms: Exposure | None = None
    source_utc_ns: U64
    crc32: Crc32 | None = None


class ShotHeader(_Message):
    """Source → daemon: one shot of a frame; its data frame follows. With the last of START's shots it is whole."""

    type: Literal["shot"] = "shot"
    run: RunId
    frame_seq: FrameSeq
    illumination: Shot
    shape: Annotated[tuple[int, int], Field(strict=False)]
    dtype: Literal["u8", "u16"]
    encoding: Encoding = "raw"
    location: Literal["inline", "shm"] = "inline"
    x_um: Position | None = None
    y_um: Position | None = None
    z_um: Position | None = None
    exposure_ms: Exposure | None = None
    source_utc_ns: U64
    crc32: Crc32 | None = None


class Ack(_Message):
    """Daemon → source: the frame's fate is on disk (fdatasync returned)."""

    type: Literal["ack"] = "ack"
    run: RunId
    frame_seq: U64
    fate: Fate
    reason: str | None = None


class End(_Message):
    """Source → daemon: no more frames. `n_frames`: highest frame_seq + 1, or more where frames are known missing."""

    type: Literal["end"] = "end"
    run: RunId
    n_frames: U64


class Report(_Message):
    """Daemon → source: the run's exact ledger, after END and after every frame has its fate."""

    type: Literal["report"] = "report"
    run: RunId
    ledger: dict[str, int]


class Refused(_Message):
    """Daemon → source: what you sent broke the contract, or cannot be taken now; one line says why."""

    type: Literal["refused"] = "refused"
    reason: str
    run: str | None = None
    frame_seq: int | None = None


Message = TypeVar("Message")
FromSource = Hello | Start | FrameHeader | ShotHeader | End
FromDaemon = Welcome | Started | Ack | Report | Refused

_FROM_SOURCE: Final[TypeAdapter[FromSource]] = TypeAdapter(
    Annotated[FromSource, Field(discriminator="type")]
)
_MODELS: Final[dict[str, type[BaseModel]]] = {
    model.model_fields["type"].default: model
    for model in (*get_args(FromSource), *get_args(FromDaemon))
}
_FROM_DAEMON: Final[TypeAdapter[FromDaemon]] = TypeAdapter(
    Annotated[FromDaemon, Field(discriminator="type")]
)


def encode(message: FromSource | FromDaemon) -> bytes:
    """One header frame."""
    return pack(message.model_dump())


def decode_from_source(data: bytes | memoryview) -> FromSource:
    """A header a source sent.

    Raises:
        BadMessage: One line that names the key, the value and what is allowed.
    """
    return _validated(_FROM_SOURCE, unpack_header(data))


def decode_from_daemon(data: bytes | memoryview) -> FromDaemon:
    """A header a daemon sent; see `decode_from_source`."""
    return _validated(_FROM_DAEMON, unpack_header(data))


def _validated(adapter: TypeAdapter[Message], value: dict[str, Any]) -> Message:
    version = value.get("v")
    if type(version) is not int or version != VERSION:
        raise BadMessage(f"v: {str(version)[:20]!r}, this daemon speaks version {VERSION}")
    try:
        return adapter.validate_python(value)
    except ValidationError as err:
        raise BadMessage(describe(err, _MODELS.get(str(value.get("type"))))) from err
