"""How fast frames get in: the lossless protocol with acknowledgement, through the daemon's own door and journal.

One daemon for each way (ipc, tcp plain, tcp under CURVE), all on this box, sent to in turn. The frames hold no cells:
receiving, reducing and looking for cells, and one record on disk a frame, is all there is to do.
"""

import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from phenostream.daemon.client.sender import Sender
from phenostream.daemon.client.sender_options import SenderSettings
from phenostream.daemon.run_id import new_run_id
from phenostream.daemon.security.key_folder import make_client, make_server
from phenostream.daemon.security.keys import ClientKeys
from phenostream.daemon.wire.ingest import Start
from phenostream.deploy.child import DaemonChild, child_settings
from phenostream.engine.types import SHOTS

Counts = np.ndarray[Any, np.dtype[np.uint16]]
WAYS: Final = ("ipc", "tcp plain", "tcp CURVE")
_TCP: Final = '[ingest]\nendpoint = "tcp://127.0.0.1:*"\n'
_KEYED: Final = '[security]\nkeys = "keys"\n'
_SETTINGS: Final = {"ipc": "", "tcp plain": _TCP, "tcp CURVE": _TCP + _KEYED}
_DISTINCT_FRAMES: Final = 4
_WARM_FRAMES: Final = 8
_LIGHT, _NOISE = 20_000, 100


@dataclass(frozen=True, slots=True)
class WayIn:
    """One way, over the rounds.

    Attributes:
        mb_per_s: Median of frame data sent and acknowledged, 10^6 bytes a second; likewise `frames_per_s`.
        low: Slowest round, MB/s; likewise `high`.
        ratio: Median of the rounds' ratios to ipc.
    """

    way: str
    mb_per_s: float
    low: float
    high: float
    frames_per_s: float
    ratio: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def measure_ingest(
    bundle_name: str,
    size_px: int,
    folder: Path,
    *,
    frames: int,
    rounds: int,
    backend: str = "auto",
    on_step: Callable[[], object] = lambda: None,
) -> list[WayIn]:
    """Send `rounds` runs each way, alternating.

    Args:
        bundle_name: A bundle's path, or ``demo``.
        size_px: Side of a frame.
        folder: For the daemons; short.
        frames: In a run.
        rounds: Runs each way.
        backend: What would infer, if there were cells.
        on_step: Called after every run.
    """
    images = _frames(size_px)
    frame_bytes = images[0].nbytes
    rates: dict[str, list[float]] = {way: [] for way in WAYS}
    with ExitStack() as stack:
        senders: dict[str, tuple[str, ClientKeys | None]] = {}
        for number, way in enumerate(WAYS):
            place = folder / str(number)
            keys = _keys(place) if way == "tcp CURVE" else None
            model = f'{child_settings(bundle_name)}backend = "{backend}"\n'
            child = DaemonChild(place, model + _SETTINGS[way])
            senders[way] = (stack.enter_context(child).ready["ingest"], keys)
        for url, keys in senders.values():
            _send(images, url, keys, _WARM_FRAMES)
        for _ in range(rounds):
            for way, (url, keys) in senders.items():
                rates[way].append(_send(images, url, keys, frames))
                on_step()
    return [_figure(way, rates, frame_bytes) for way in WAYS]


def _keys(place: Path) -> ClientKeys:
    make_server(place / "keys")
    make_client(place / "keys", "bench", "source", place / "client")
    return ClientKeys.read(place / "client")


def _send(images: list[Counts], url: str, keys: ClientKeys | None, n: int) -> float:
    """Frames a second from the first frame to the report, when every one was acknowledged."""
    start = _start(images[0], n)
    with Sender(url, start.instrument, SenderSettings(keys=keys)) as sender:
        sender.start(start)
        began_s = time.monotonic()
        for seq in range(n):
            sender.send(seq, images[seq % _DISTINCT_FRAMES])
        sender.finish()
        return n / (time.monotonic() - began_s)


def _frames(size_px: int) -> list[Counts]:
    """Even light and its noise."""
    chance = np.random.default_rng(0)
    shape = (len(SHOTS), size_px, size_px)
    return [chance.normal(_LIGHT, _NOISE, shape).astype(np.uint16) for _ in range(_DISTINCT_FRAMES)]


def _start(frame: Counts, n: int) -> Start:
    return Start(
        run=new_run_id(),
        instrument="bench",
        pixel_size_um=0.1715,
        dark_level=0.0,
        white_level=65535.0,
        bit_depth=16,
        dtype="u16",
        height=frame.shape[1],
        width=frame.shape[2],
        shots=SHOTS,
        wavelength_um=0.515,
        numerical_aperture=0.5,
        n_expected=n,
        synthetic=True,
        source_utc_ns=time.time_ns(),
    )


def _figure(way: str, rates: dict[str, list[float]], frame_bytes: int) -> WayIn:
    megabytes = [rate * frame_bytes / 1e6 for rate in rates[way]]
    ratios = [mine / ipc for mine, ipc in zip(rates[way], rates["ipc"], strict=True)]
    return WayIn(
        way,
        round(statistics.median(megabytes), 1),
        round(min(megabytes), 1),
        round(max(megabytes), 1),
        round(statistics.median(rates[way]), 1),
        round(statistics.median(ratios), 3),
    )
