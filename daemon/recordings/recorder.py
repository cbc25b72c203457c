"""A lossless ingest endpoint that records instead of classifying: `phenostream record`.

The protocol is the daemon's own (`sources.desk`): HELLO, credit, resume, duplicates and the ledger are the same code. A
frame is acknowledged after its exact parts are durable, as ``dropped``, because nothing was published. A frame that
breaks what START announced is recorded as it came and acknowledged as quarantined; one whose header breaks the schema
cannot be recorded: the recording then says INCOMPLETE. One thread: receive what there is, write, one fdatasync, answer.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Final

import zmq
from pydantic import ValidationError

from phenostream.daemon.claims import claimed_endpoint
from phenostream.daemon.config import IngestConfig, SecurityConfig
from phenostream.daemon.endpoint import is_local
from phenostream.daemon.health import Health
from phenostream.daemon.recordings.facts import RecordingFacts, facts
from phenostream.daemon.recordings.recording_desk import Received, RecordingDesk
from phenostream.daemon.recordings.writer import RecordingWriter
from phenostream.daemon.security.gate import gate_of_its_own
from phenostream.daemon.security.guard import Guard
from phenostream.daemon.security.turnstile import Turnstile
from phenostream.daemon.socket_options import Context, Socket
from phenostream.daemon.sources.lossless import bound_router, post
from phenostream.daemon.sources.reception import Clock
from phenostream.daemon.wire.ingest import Ack
from phenostream.daemon.wire.validation import describe
from phenostream.engine.errors import BadConfig

_GREEDY: Final = 16
_SLICE_MS: Final = 100


@dataclass(frozen=True, slots=True)
class RecorderOptions:
    """How to record.

    Attributes:
        level: zlib level of the data; 0 (none) slows a source least.
        note: Free text kept in the file.
        until_end: Return when a run has ended and none is open.
        max_frame_bytes: Largest data frame taken.
        credit_bytes: Data bytes one source may have sent and not seen acknowledged.
        shot_timeout_s: How long a frame whose shots come one by one waits for the others.
        keys: Folder of `phenostream keys server`, for tcp.
        plain: Consent to tcp without keys on a network.
    """

    level: int = 0
    note: str = ""
    until_end: bool = False
    max_frame_bytes: int = 128 << 20
    credit_bytes: int = 128 << 20
    shot_timeout_s: float = 5.0
    keys: Path | None = None
    plain: bool = False


def record(
    url: str,
    path: Path,
    options: RecorderOptions | None = None,
    *,
    stop: Event | None = None,
    on_bound: Callable[[str], None] | None = None,
    on_frame: Callable[[Ack], None] | None = None,
) -> RecordingFacts:
    """Bind an ingest endpoint and record what sources send to it, until `stop` or (if asked) the end of the runs.

    Args:
        url: Endpoint to bind, ``ipc://PATH`` or ``tcp://ADDRESS:PORT``.
        path: Must not exist.
        options: Compression, limits, when to return.
        stop: Looked at ten times a second; what was received is written and acknowledged first.
        on_bound: Called with the endpoint (real port) when sources may connect.
        on_frame: Called for every frame that is durable.

    Returns:
        What the recording holds; INCOMPLETE where a run was still open or a frame could not be recorded.

    Raises:
        BadConfig: The endpoint cannot be bound or would be plain on a network, keys cannot be read, or the path exists.
        RecordingFull: The disk is full; what was acknowledged is in the file.
    """
    options = options or RecorderOptions()
    config = _ingest_config(url, options)
    stop = stop or Event()
    with ExitStack() as stack:
        stack.enter_context(claimed_endpoint(config.endpoint, "endpoint"))
        context: Context = zmq.Context()
        stack.callback(context.term)
        guard = _guard(config, options)
        stack.enter_context(gate_of_its_own(context, guard, stop.set))
        socket, endpoint, turnstile = bound_router(context, config, guard)
        stack.callback(socket.close)
        writer = stack.enter_context(RecordingWriter(path, level=options.level, note=options.note))
        desk = RecordingDesk(config, writer, on_frame or (lambda ack: None))
        if on_bound is not None:
            on_bound(endpoint)
        while not stop.is_set() and not (options.until_end and desk.ended):
            messages = _received(socket, turnstile) if socket.poll(_SLICE_MS) else []
            post(socket, desk.take(messages))
    return facts(path)


def _received(socket: Socket, turnstile: Turnstile | None) -> list[Received]:
    """What has arrived, at most `_GREEDY` messages."""
    messages: list[Received] = []
    while len(messages) < _GREEDY:
        try:
            identity, *parts = socket.recv_multipart(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            break
        if turnstile is not None and not turnstile.passes(parts or [identity]):
            continue
        clock = Clock(time.time_ns(), time.monotonic())
        messages.append(Received(identity.bytes, [part.buffer for part in parts], clock))
    return messages


def _guard(config: IngestConfig, options: RecorderOptions) -> Guard:
    if options.keys is None and not options.plain and not is_local(config.endpoint):
        raise BadConfig(
            f"endpoint: {config.endpoint}: allowed on a network with --keys DIR "
            "(`phenostream keys server DIR`), or with --plain"
        )
    return Guard(SecurityConfig(keys=options.keys), Health())


def _ingest_config(url: str, options: RecorderOptions) -> IngestConfig:
    try:
        return IngestConfig(
            endpoint=url,
            max_frame_bytes=options.max_frame_bytes,
            credit_bytes=options.credit_bytes,
            shot_timeout_s=options.shot_timeout_s,
        )
    except ValidationError as err:
        raise BadConfig(describe(err, IngestConfig)) from err
