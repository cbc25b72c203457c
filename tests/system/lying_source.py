"""A source that drops, repeats, reorders and lies by a script, and the ledger that the script alone says must come.

`script` draws the acts from a seed; `expected` adds them up without a daemon; `Liar` plays them against a real one, and
never looks at what the daemon counts. For tests and for the fault rig.
"""

import random
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import zmq

from phenostream.daemon.wire.codec import pack, unpack_header
from phenostream.daemon.wire.ingest import (
    Ack,
    End,
    FrameHeader,
    FromSource,
    Hello,
    Report,
    ShotHeader,
    Start,
    Started,
    Welcome,
    decode_from_daemon,
    encode,
)

PATIENCE_MS: Final = 30_000
CELLS: Final = 4
"""Of a frame of `small_frame`."""
WRONG: Final = ("crc32", "shape", "length", "dtype", "header")
NEW: Final = ("frame", "second", "shots", "shots_twice", "incomplete", *WRONG)
"""Acts that take a number which was not used; whatever they do, the frame is received and has one fate."""
OTHER: Final = ("again", "drop", "late", "stranger", "nobodys", "garbage", "small_end", "kill")
_WINDOW: Final = 5
"""Acts between two moments at which everything was answered."""


class Act(NamedTuple):
    """One thing the source does; `number` is that of a frame, or of nothing."""

    what: str
    number: int = 0


def script(seed: int, n_frames: int, kills: int) -> list[Act]:
    """Acts that use every number below `n_frames` once, out of order, with lies between them.

    Of ten numbers about one is never sent. ``late`` numbers begin at `n_frames`, which START announces.
    """
    chance = random.Random(seed)  # noqa: S311 - a script, not a secret
    numbers = sorted(range(n_frames), key=lambda number: number + chance.uniform(0, 6))
    acts: list[Act] = []
    used: list[int] = []
    for number in numbers:
        what = chance.choice(("drop", "frame", "frame", "frame", *NEW))
        acts.append(Act(what, number))
        if what not in ("drop", "incomplete", "shots", "shots_twice"):
            used.append(number)
        lies = [lie for lie in OTHER if lie not in ("drop", "kill") and chance.random() < 0.15]
        if len(used) <= _WINDOW:  # END is too small only when frames were received for certain
            lies = [lie for lie in lies if lie not in ("again", "small_end")]
        acts += [
            Act(lie, chance.choice(used) if lie == "again" else n_frames + number) for lie in lies
        ]
    for place in sorted(chance.sample(range(len(acts)), kills), reverse=True):
        acts.insert(place, Act("kill"))
    return acts


def expected(acts: Sequence[Act], n_frames: int) -> dict[str, int]:
    """The run's ledger after END with `n_frames`; what only memory counts begins at 0 with every kill."""
    fates: Counter[str] = Counter()
    messages: Counter[str] = Counter()
    for what, _ in acts:
        if what in ("frame", "second", "shots", "shots_twice"):
            fates["published"] += 1
        elif what in NEW:
            fates.update(("quarantined", f"quarantined.{what}"))
        if what == "kill":
            messages = Counter(recovered=1)
        elif what in ("again", "late"):
            messages["duplicates" if what == "again" else "late"] += 1
        elif what in ("stranger", "small_end"):
            messages["refused"] += 1
        elif what == "shots_twice":
            messages["shots_repeated"] += 1
        elif what == "header":
            messages["malformed"] += 1
    received = fates["published"] + fates["quarantined"]
    used = [number for what, number in acts if what in NEW]
    told = {"announced": n_frames, "received": received, "missing": n_frames - received}
    cells = {
        "cells_found": CELLS * fates["published"],
        "cells_classified": CELLS * fates["published"],
    }
    gaps = {"gaps": max(used, default=-1) + 1 - received}
    return {key: n for key, n in (fates + messages + Counter(told | cells | gaps)).items() if n}


def told(ledger: dict[str, int]) -> dict[str, int]:
    """A ledger as `expected` writes it: without its zeros."""
    return {key: n for key, n in ledger.items() if n}


class Liar:
    """Plays a script.

    Attributes:
        acked: Fate and reason of every frame that was acknowledged; a second, other word about one is an error.
    """

    def __init__(
        self,
        context: "zmq.Context[zmq.Socket[bytes]]",
        start: Start,
        counts: Any,
        restart: Callable[[], str],
    ) -> None:
        """Speak for one run.

        Args:
            context: For the sockets.
            start: Announces `n_expected`.
            counts: (4, H, W) u8, the data of every frame.
            restart: Kills the daemon, starts another and returns its ingest endpoint; the first call only starts one.
        """
        self.acked: dict[int, tuple[str, str | None]] = {}
        self._context = context
        self._start = start
        self._shots = [shot.tobytes() for shot in counts]
        self._restart = restart
        self._mouths: dict[str, zmq.Socket[bytes]] = {}
        self._owed: set[int] = set()

    def play(self, acts: Sequence[Act], n_frames: int) -> Report:
        """Everything, and END with `n_frames`."""
        self._dial()
        for at, (what, number) in enumerate(acts):
            if what == "kill":
                self._settle()
                self._dial()
            else:
                self._do(what, number)
            if at % _WINDOW == _WINDOW - 1:
                self._settle()
        self._settle()
        return self.end(n_frames)

    def end(self, n_frames: int) -> Report:
        """END, and the REPORT."""
        self._say("first", End(run=self._start.run, n_frames=n_frames))
        return next(m for m in self._heard("first") if isinstance(m, Report))

    def again(self, number: int) -> None:
        """A frame once more, at any time; on return it was counted."""
        self._do("again", number)
        self._settle()

    def close(self) -> None:
        """Hang up."""
        for mouth in self._mouths.values():
            mouth.close(0)
        self._mouths.clear()

    def _dial(self) -> None:
        self.close()
        url = self._restart()
        for name in ("first", "second", "stranger"):
            self._mouths[name] = mouth = self._context.socket(zmq.DEALER)
            mouth.connect(url)
            instrument = "another" if name == "stranger" else self._start.instrument
            self._say(name, Hello(instrument=instrument))
            next(m for m in self._heard(name) if isinstance(m, Welcome))
        self._say("first", self._start)
        next(m for m in self._heard("first") if isinstance(m, Started))

    def _do(self, what: str, number: int) -> None:
        if what in ("frame", "second", *WRONG):
            self._owed.add(number)
            self._say_frame("second" if what == "second" else "first", number, what)
        elif what in ("again", "late"):
            self._say_frame("first", number, "frame")
        elif what == "stranger":
            self._say_frame("stranger", number, "frame")
        elif what == "nobodys":
            self._say_frame("first", number, "frame", run="00000000-0000-7000-8000-000000000000")
        elif what in ("shots", "shots_twice", "incomplete"):
            self._owed.add(number)
            self._say_shots(number, what)
        elif what == "garbage":
            self._mouths["first"].send_multipart([b"\xc1" * 40, b"x"])
        elif what == "small_end":
            self._say("first", End(run=self._start.run, n_frames=0))

    def _say(self, name: str, message: FromSource, *data: bytes) -> None:
        self._mouths[name].send_multipart([encode(message), *data])

    def _say_frame(self, name: str, number: int, wrong: str, run: str | None = None) -> None:
        data = b"".join(self._shots)[: -1 if wrong == "length" else None]
        header = FrameHeader(
            run=run or self._start.run,
            frame_seq=number,
            shape=(1, 1, 1) if wrong == "shape" else (4, self._start.height, self._start.width),
            dtype="u16" if wrong == "dtype" else "u8",
            source_utc_ns=1 + number,
            crc32=zlib.crc32(data) ^ (wrong == "crc32"),
        )
        head = encode(header)
        if wrong == "header":
            head = pack(unpack_header(head) | {"z_um": "high"})
        self._mouths[name].send_multipart([head, data])

    def _say_shots(self, number: int, what: str) -> None:
        order = random.Random(number).sample(range(4), 3 if what == "incomplete" else 4)  # noqa: S311 - an order
        for which in [order[0], *order] if what == "shots_twice" else order:
            header = ShotHeader(
                run=self._start.run,
                frame_seq=number,
                illumination=self._start.shots[which],
                shape=(self._start.height, self._start.width),
                dtype="u8",
                source_utc_ns=1 + number,
            )
            self._say("first", header, self._shots[which])

    def _settle(self) -> None:
        """Every frame that was sent has its ACK, and every connection was read to here."""
        for name in self._mouths:
            self._say(
                name, Hello(instrument="another" if name == "stranger" else self._start.instrument)
            )
            next(m for m in self._heard(name) if isinstance(m, Welcome))
        while self._owed:
            for name in ("first", "second"):
                while self._owed and self._mouths[name].poll(20):
                    self._take(decode_from_daemon(self._mouths[name].recv()))

    def _heard(self, name: str) -> Iterator[Any]:
        while True:
            assert self._mouths[name].poll(PATIENCE_MS), f"{name}: no answer"
            message = decode_from_daemon(self._mouths[name].recv())
            self._take(message)
            yield message

    def _take(self, message: Any) -> None:
        if isinstance(message, Ack):
            said = (message.fate, message.reason)
            assert self.acked.setdefault(message.frame_seq, said) == said, "two fates"
            self._owed.discard(message.frame_seq)
