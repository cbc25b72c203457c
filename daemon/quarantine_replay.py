"""Sends quarantined frames to a daemon again, byte for byte, as new runs.

Under its old run and number a frame has its fate for good, so each run becomes a new one of its replayed frames
alone, numbered from 0 in their order. Nothing is corrected: what still breaks its contract is quarantined again.
Two passes: which frames can be sent is known, and said, before the first one goes. Everything runs in the caller's
thread; one frame is held at a time.
"""

from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, field

from phenostream.daemon.client.sender import Sender
from phenostream.daemon.client.sender_options import SenderSettings
from phenostream.daemon.quarantined import Entry
from phenostream.daemon.run_id import new_run_id
from phenostream.daemon.security.keys import ClientKeys
from phenostream.daemon.wire.ingest import Ack, Encoding, Report, Start
from phenostream.engine.errors import BadFrame


@dataclass(slots=True)
class Parcel:
    """The frames of one run, in the order of their numbers.

    Attributes:
        start: As the run began.
        new_run: The run they are sent as; `entries[i]` becomes its frame i.
        encodings: What the daemon must be able to read.
    """

    start: Start
    new_run: str = field(default_factory=new_run_id)
    entries: list[Entry] = field(default_factory=list)
    encodings: set[Encoding] = field(default_factory=set)


def parcels(
    chosen: Iterator[Entry], code: str | None, on_refused: Callable[[str], object]
) -> list[Parcel]:
    """What there is to send, by run.

    Args:
        chosen: Oldest first; of a frame that was kept twice, the later one is sent.
        code: Only those whose reason begins with it.
        on_refused: Hears one line for every frame that was chosen and cannot be sent.
    """
    newest: dict[tuple[str, int], Entry] = {}
    for entry in chosen:
        newest[entry.run, entry.frame_seq] = entry
    found: dict[str, Parcel] = {}
    for _, entry in sorted(newest.items()):
        try:
            note = entry.note()
            if code is not None and note.reason.partition(":")[0] != code:
                continue
            start, pieces = entry.messages(note)
        except BadFrame as err:
            on_refused(str(err))
            continue
        parcel = found.setdefault(entry.run, Parcel(start))
        parcel.entries.append(entry)
        parcel.encodings |= {header.encoding for header, _ in pieces}
    return list(found.values())


def send_parcel(
    parcel: Parcel,
    url: str,
    keys: ClientKeys | None = None,
    *,
    on_sender: Callable[[Sender], object] = lambda sender: None,
    on_ack: Callable[[Entry, Ack], None] = lambda entry, ack: None,
) -> Report:
    """One run's frames, as a new run.

    Raises:
        BadFrame: A frame changed or went since `parcels`.
        PhenostreamError: As `Sender`.
    """
    count = len(parcel.entries)
    change = {"run": parcel.new_run, "n_expected": count}
    start = parcel.start.model_copy(update=change)
    with Sender(url, start.instrument, _settings(parcel.encodings, keys)) as sender:
        sender.on_ack = lambda ack: on_ack(parcel.entries[ack.frame_seq], ack)
        on_sender(sender)
        sender.start(start)
        for number, entry in enumerate(parcel.entries):
            _, pieces = entry.messages(entry.note())
            for header, data in pieces:
                named = {"run": parcel.new_run, "frame_seq": number}
                sender.send_frame(header.model_copy(update=named), data)
        return sender.finish(count)


def _settings(encodings: Set[Encoding], keys: ClientKeys | None) -> SenderSettings:
    return SenderSettings(encoding="blosc2" if "blosc2" in encodings else "raw", keys=keys)
