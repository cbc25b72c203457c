"""The daemon's configuration: a closed schema read from TOML and checked before anything starts.

Every refusal is one line: ``section.key: value: what is allowed``. After loading nothing re-checks. Knows the shape of
a configuration; opens no socket, no bundle and no journal.
"""

import dataclasses
import difflib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from phenostream.daemon.channel_map import ChannelMap
from phenostream.daemon.config_format import read_formatted
from phenostream.daemon.drift_config import DriftConfig
from phenostream.daemon.endpoint import BasedPath, Endpoint, is_local
from phenostream.daemon.model_config import ModelConfig
from phenostream.daemon.monitor_config import MonitorConfig
from phenostream.daemon.source_config import MOST_SOURCES, SourceConfig
from phenostream.daemon.summary_config import SummaryConfig
from phenostream.daemon.wire.ingest import Name
from phenostream.daemon.wire.validation import allowed
from phenostream.engine.background import LEAST_FRAMES
from phenostream.engine.detect import DetectorSettings
from phenostream.engine.errors import BadConfig

MIB: Final = 1 << 20
_OF_A_KEY: Final = "[key]"
"""How pydantic marks that a table's key is at fault, not its value."""


def _one_or_many(value: object) -> object:
    return (value,) if isinstance(value, str | Path) else value


def _none_if_empty(value: object) -> object:
    return None if value == "" else value


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class IngestConfig(_Section):
    """Where frames come in.

    Attributes:
        credit_bytes: Data bytes one source may have sent and not seen acknowledged.
        expected_mb_per_s: Of all sources, 10^6 bytes; 0: not told. A warning says when CURVE carries less on this box.
        max_open_runs: Runs that may be open at once; a quiet one is parked when another wants its place.
        shot_timeout_s: How long a frame whose shots come one by one waits for the others.
        shot_memory_bytes: What all frames that wait for shots may hold; the one that began first gives way. One frame
            alone always has room.
        channel_map: By instrument, what its announced shots truly are; `phenostream check-orientation` finds it.
    """

    endpoint: Endpoint = "ipc://run/ingest.sock"
    max_frame_bytes: Annotated[int, Field(ge=64 << 10, le=4 << 30)] = 128 * MIB
    credit_bytes: Annotated[int, Field(ge=64 << 10, le=64 << 30)] = 128 * MIB
    expected_mb_per_s: Annotated[float, Field(ge=0, le=1e5)] = 0.0
    max_open_runs: Annotated[int, Field(ge=1, le=256)] = 32
    shot_timeout_s: Annotated[float, Field(ge=0.5, le=3600)] = 5.0
    shot_memory_bytes: Annotated[int, Field(ge=64 << 10, le=64 << 30)] = 1024 * MIB
    channel_map: dict[Name, ChannelMap] = Field(default_factory=dict)


class ResultsConfig(_Section):
    """Where results go out; `send_budget_bytes` bounds what waits for one slow subscriber."""

    endpoint: Endpoint = "ipc://run/results.sock"
    send_budget_bytes: Annotated[int, Field(ge=MIB, le=16 << 30)] = 64 * MIB


class ControlConfig(_Section):
    """Where status, drain and replay are asked for."""

    endpoint: Endpoint = "ipc://run/control.sock"


class JournalConfig(_Section):
    """Where results are kept, and how many.

    Attributes:
        segment_bytes: A file of the journal is followed by another when it has reached this size.
        max_bytes: The oldest files are removed while all are larger together; 0 keeps every one.
        max_age_days: Files that were written last longer ago are removed; 0 keeps every one.
    """

    directory: BasedPath
    segment_bytes: Annotated[int, Field(ge=64 << 10, le=4 << 30)] = 64 * MIB
    max_bytes: Annotated[int, Field(ge=0, le=1 << 60)] = 0
    max_age_days: Annotated[float, Field(ge=0, le=36_500)] = 0.0


class FieldConfig(_Section):
    """What the shading of frames is divided by.

    Attributes:
        source: ``frame``: each frame's own smooth surface; ``recorded``: a background of an empty field;
            ``stream``: what a run's first frames have in common, frozen for the rest of the run.
        background: Files of `phenostream background`, one an instrument; for ``recorded`` only.
        stream_frames: Frames that ``stream`` gathers.
    """

    source: Literal["frame", "stream", "recorded"] = "frame"
    background: Annotated[tuple[BasedPath, ...], Field(max_length=64)] = ()
    stream_frames: Annotated[int, Field(ge=LEAST_FRAMES, le=64)] = 16

    _background = field_validator("background", mode="before")(_one_or_many)

    @model_validator(mode="after")
    def _consistent(self) -> "FieldConfig":
        if (self.source == "recorded") != bool(self.background):
            raise ValueError(
                f"source {self.source!r} with {len(self.background)} background files: allowed "
                "'recorded' with one an instrument, or another source with none"
            )
        return self


class LimitsConfig(_Section):
    """What one frame and one queue may hold."""

    max_cells_per_frame: Annotated[int, Field(ge=1, le=100_000)] = 2000
    frames_queued: Annotated[int, Field(ge=1, le=64)] = 3


class QuarantineConfig(_Section):
    """Where frames that broke their contract are kept; the oldest go when `max_bytes` is reached."""

    directory: BasedPath = Path("quarantine")
    max_bytes: Annotated[int, Field(ge=0, le=1 << 44)] = 1 << 30


class SecurityConfig(_Section):
    """Who may come in: `daemon.security`.

    Attributes:
        keys: Folder of `phenostream keys server`: tcp endpoints speak CURVE. Empty: there are no keys.
        plain: Sections (``ingest``, ``sources.NAME``, ``monitor``) that speak plain on a network all the same.
        most_peers: Connections at once, of every socket.
        ipc_group: Group that may open ipc sockets too; empty: only the daemon's own user.
    """

    keys: BasedPath | None = None
    plain: Annotated[tuple[str, ...], Field(max_length=MOST_SOURCES + 4)] = ()
    most_peers: Annotated[int, Field(ge=1, le=4096)] = 64
    ipc_group: Annotated[str, Field(max_length=32)] | None = None

    _none = field_validator("keys", "ipc_group", mode="before")(_none_if_empty)


class Config(_Section):
    """All of it, made by `load_config` or `parse_config`. `detect` takes the fields of `DetectorSettings`."""

    ingest: IngestConfig
    results: ResultsConfig
    control: ControlConfig
    journal: JournalConfig
    model: ModelConfig
    detect: DetectorSettings
    field: FieldConfig
    limits: LimitsConfig
    quarantine: QuarantineConfig
    summary: SummaryConfig
    monitor: MonitorConfig
    drift: DriftConfig
    security: SecurityConfig
    sources: Annotated[tuple[SourceConfig, ...], Field(max_length=MOST_SOURCES)] = ()

    @field_validator("detect", mode="before")
    @classmethod
    def _settings(cls, value: object) -> DetectorSettings:
        if isinstance(value, DetectorSettings):
            return value
        if not isinstance(value, dict):
            raise ValueError("a table of detector settings")
        known = [field.name for field in dataclasses.fields(DetectorSettings)]
        for key, setting in value.items():
            if key not in known:
                raise ValueError(f"{key}: unknown key{_suggestion(key, known)}")
            if isinstance(setting, bool) or not isinstance(setting, int | float):
                raise ValueError(f"{key}: {setting!r}: a number")
        try:
            return DetectorSettings(**value)
        except BadConfig as err:
            raise ValueError(str(err).removeprefix("detect.")) from err

    @model_validator(mode="after")
    def _apart(self) -> "Config":
        urls = [self.ingest.endpoint, self.results.endpoint, self.control.endpoint]
        fixed = [url for url in urls if not url.endswith(":*")]
        if len(set(fixed)) != len(fixed):
            raise ValueError("ingest, results and control need three different endpoints")
        self._check_sources(fixed)
        self._check_consent()
        kept, journal = self.quarantine.directory, self.journal.directory
        if kept == journal or kept in journal.parents or journal in kept.parents:
            raise ValueError(
                f"quarantine.directory: {kept}: allowed a folder neither in nor around "
                f"journal.directory {journal}"
            )
        return self

    def _check_sources(self, taken: list[str]) -> None:
        names = [source.name for source in self.sources]
        bound = taken + [source.endpoint for source in self.sources if source.link == "bind"]
        for number, source in enumerate(self.sources):
            key = f"sources[{number}]"
            if names.count(source.name) > 1:
                raise ValueError(f"{key}.name: {source.name}: allowed once")
            if not source.endpoint.endswith(":*") and (
                bound.count(source.endpoint) > (source.link == "bind")
            ):
                raise ValueError(f"{key}.endpoint: {source.endpoint}: in use by another section")

    def _check_consent(self) -> None:
        """Nothing is plain on a network unless somebody said so, and nobody says so of what is not there."""
        endpoints = dict(self.endpoints())
        known = [*endpoints, *(["monitor"] if self.monitor.address else [])]
        for section in self.security.plain:
            if section not in known:
                raise ValueError(f"security.plain: {section!r}: allowed {', '.join(known)}")
        for section, url in endpoints.items():
            if self.is_plain(section, url) and not (
                is_local(url) or section in self.security.plain
            ):
                raise ValueError(
                    f"{section}.endpoint: {url}: allowed on a network with security.keys "
                    f"(`phenostream keys server DIR`), or plain with security.plain = [{section!r}]"
                )
        if not self.monitor.is_local and "monitor" not in self.security.plain:
            raise ValueError(
                f"monitor.address: {self.monitor.address}: allowed an address of this box alone, such as "
                "127.0.0.1:9750, or any with security.plain = ['monitor']: HTTP here is plain and asks for no key"
            )

    def is_plain(self, section: str, url: str) -> bool:
        """Whether anyone on the way can read it, and whoever reaches it comes in: tcp without keys."""
        return url.startswith("tcp://") and not self.is_keyed(section, url)

    def is_keyed(self, section: str, url: str) -> bool:
        """Whether only who has a key comes in: tcp with keys."""
        keys = self.security.keys is not None and section not in self.security.plain
        return url.startswith("tcp://") and keys

    def endpoints(self) -> Iterator[tuple[str, str]]:
        """Section and endpoint of every socket."""
        for section in ("ingest", "results", "control"):
            yield section, getattr(self, section).endpoint
        for source in self.sources:
            yield f"sources.{source.name}", source.endpoint

    def listening(self) -> Iterator[tuple[str, str]]:
        """Key and endpoint of everything that this daemon binds."""
        for section in ("ingest", "results", "control"):
            yield f"{section}.endpoint", getattr(self, section).endpoint
        for source in self.sources:
            if source.link == "bind":
                yield f"sources.{source.name}.endpoint", source.endpoint

    @property
    def sha256(self) -> str:
        """Digest of everything that was configured."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def load_config(path: Path) -> Config:
    """Read and check a configuration file; relative paths in it start at its directory.

    Raises:
        BadConfig: One line with file, key, value and what is allowed.
    """
    values = read_formatted(path).values
    return parse_config(values, path.resolve().parent, str(path))


def parse_config(values: dict[str, Any], base: Path, name: str = "config") -> Config:
    """A configuration from plain values; see `load_config`.

    Args:
        values: Section → key → value.
        base: Where relative paths start.
        name: For messages.
    """
    sections: dict[str, Any] = {key: {} for key in Config.model_fields if key != "sources"}
    try:
        return Config.model_validate({**sections, **values}, context={"base": base})
    except ValidationError as err:
        raise BadConfig(f"{name}: {_line(err.errors(include_url=False)[0])}") from err


def _line(error: ErrorDetails) -> str:
    loc, prefix = tuple(part for part in error["loc"] if part != _OF_A_KEY), ""
    error = error | {"loc": loc}
    model: type[BaseModel] = Config
    if loc[:1] == ("sources",) and len(loc) > 1:  # of one entry of a list
        prefix = f"sources[{loc[1]}]"
        error, model = error | {"loc": loc[2:]}, SourceConfig
    *where, last = [str(part) for part in error["loc"]] or ["" if prefix else "config"]
    key = ".".join(part for part in (prefix, *where, last) if part)
    if error["type"] == "extra_forbidden":
        return f"{key}: unknown key{_suggestion(last, _keys(model, where))}"
    if error["type"] == "missing":
        return f"{key}: missing, this key has no default"
    said = allowed(error, model)
    inside = error["loc"] == ("detect",) or (prefix and not error["loc"])
    return f"{key}.{said.removeprefix(': ')}" if inside else f"{key}{said}"


def _keys(model: type[BaseModel], where: list[str]) -> list[str]:
    if where[:2] == ["ingest", "channel_map"]:
        return list(ChannelMap.model_fields)
    section = model.model_fields[where[0]].annotation if where else model
    fields: dict[str, Any] = getattr(section, "model_fields", {})
    return list(fields)


def _suggestion(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return f", did you mean {close[0]!r}?" if close else f", allowed {', '.join(known)}"
