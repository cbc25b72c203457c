"""Follow results as they are published: every record once and in order, gaps repaired from the journal.

Prints a line a frame, summaries and ledgers; with --json one JSON object a record. --since OFFSET begins in the past.
A summary comes twice where a language model words it: the second one takes the place of the first, of the same facts.
What each run is comes before its first result, also for a run that began before (run_open, at its own offset).
Exit code 3: offsets were lost for good, and named.

Examples:
  phenostream watch ipc:///tmp/phenostream/results
  phenostream watch --run 099a8057 --since 0
  phenostream watch --until-end --json > got.jsonl
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from phenostream.deploy.cli.endpoints import RESULTS, add_keys, client_keys
from phenostream.deploy.cli.terminal import note, printable, say, say_json
from phenostream.engine.errors import BadConfig

if TYPE_CHECKING:
    from phenostream.daemon.client.subscriber import Record, Subscriber
    from phenostream.daemon.wire.results import FrameRecord


_SILENCE_S: Final = 5.0
"""A living daemon speaks every second."""
_LONG_WAIT_S: Final = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "url",
        nargs="?",
        default=RESULTS,
        metavar="URL",
        help=f"results endpoint (default {RESULTS})",
    )
    parser.add_argument(
        "--control",
        metavar="URL",
        help="control endpoint (default: beside an ipc results endpoint, if it is there)",
    )
    add_keys(parser)
    parser.add_argument(
        "--since", type=int, metavar="OFFSET", help="first offset; 0 = the whole journal"
    )
    parser.add_argument(
        "--run",
        dest="wanted_run",
        metavar="RUN",
        help="only this run: its id, or the end of it as the lines show it",
    )
    parser.add_argument(
        "--until-end", action="store_true", help="stop when the runs that were seen have ended"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a record")


def run(args: argparse.Namespace) -> int:
    """Follow and print; exit code 3 when records were lost for good."""
    from phenostream.daemon.client.subscriber import Record, Subscriber
    from phenostream.daemon.exports.jsonl import json_record

    if args.since is not None and args.since < 0:
        raise BadConfig(f"--since {args.since}: allowed 0 or more")
    control = args.control or control_beside(args.url)
    if args.since is not None and control is None:
        raise BadConfig(f"--since {args.since}: needs --control URL to read the journal from")
    if args.wanted_run == "":
        raise BadConfig("--run '': expected a run's id, or the end of it")
    lost = 0

    def count(first: int, last: int) -> None:
        nonlocal lost
        lost += last - first + 1
        which = f"offset {first} is" if first == last else f"offsets {first} to {last} are"
        note(
            f"phenostream watch: {which} lost: retention or damage, see `phenostream journal verify`"
        )

    def tell(record: Record) -> None:
        if args.json:
            say_json(json_record(record.topic, record.offset, record.body))
        else:
            say(record_line(record))

    def introduce(start: Record) -> None:
        if start.facts["event"] == "run_open" and concerns(start, args.wanted_run):
            tell(start)

    with Subscriber(args.url, control, args.since, keys=client_keys(args)) as results:
        results.on_gap = count
        results.on_missed = tell_missed
        results.on_run = introduce
        results.wait_subscribed()
        note(f"phenostream watch: subscribed to {args.url}")
        try:
            for record in followed(results, args.until_end, time.monotonic, args.wanted_run):
                tell(record)
        except KeyboardInterrupt:  # the only way to end an endless watch
            if args.until_end:
                raise
    return 3 if lost else 0


def tell_missed(run: str, n: int) -> None:
    """Of which run results were lost."""
    note(f"phenostream watch: {n} results of run {run} were not seen")


def concerns(record: "Record", run: str | None) -> bool:
    """Whether a record is of the run that is wanted, or of no run; every record if none is."""
    of = record.facts.get("run")
    return run is None or of is None or str(of).endswith(run)


def followed(
    results: "Subscriber", until_end: bool, clock: Callable[[], float], run: str | None = None
) -> Iterator["Record"]:
    """The records, telling on standard error what is waited for: a silent daemon, or runs that stay open.

    Args:
        results: A subscriber that stands.
        until_end: Stop when the runs that were seen have ended.
        clock: Seconds, monotonic.
        run: Only the records of this run: its id, or the end of it.
    """
    from phenostream.daemon.client.open_runs import OpenRuns

    runs, silent = OpenRuns(), False
    ended_s: float | None = None
    for record in results.events():
        if record is not None and concerns(record, run):
            runs.take(record)
            if record.facts.get("event") == "run_ended":
                ended_s = clock()
            yield record
        elif record is None and until_end and runs.all_ended:
            return
        if silent != (results.silent_s > _SILENCE_S):
            silent = not silent
            note(
                f"phenostream watch: no word from the daemon for {_SILENCE_S:.0f} s, waiting"
                if silent
                else "phenostream watch: the daemon is back"
            )
        if until_end and ended_s is not None and clock() - ended_s > _LONG_WAIT_S:
            ended_s = None  # said once after every end
            names = ", ".join(short_run(run) for run in runs.open)
            note(f"phenostream watch: waiting for {len(runs.open)} open runs: {names}")


def control_beside(results_url: str) -> str | None:
    """The control endpoint in the same folder as an ipc results endpoint, as the example configuration has it."""
    scheme, _, path = results_url.partition("://")
    name = Path(path).name
    if scheme != "ipc" or "results" not in name:
        return None
    beside = Path(path).with_name(name.replace("results", "control"))
    return f"ipc://{beside}" if beside.exists() else None


def short_run(run: object) -> str:
    """The end of a run's id: enough to tell runs of one box apart."""
    return str(run)[-8:]


def record_line(record: "Record") -> str:
    """One record as a line for a person."""
    from phenostream.daemon.wire.results import FrameRecord

    if isinstance(record.body, FrameRecord):
        return f"{record.offset:>7}  {frame_line(record.body)}"
    body = record.body
    if record.topic == "summary":
        return f"{record.offset:>7}  {_source(body)}  {_summary_text(body)}"
    return f"{record.offset:>7}  {_status_text(body)}"


def frame_line(frame: "FrameRecord") -> str:
    """What became of one frame and its cells."""
    meta = frame.meta
    place = f"{_source(meta)}  frame {meta['frame_seq']:>5}"
    if meta["fate"] != "published":
        return f"{place}  {meta['fate'].upper()}: {meta['reason']}"
    counts = meta["counts"]
    kinds = frame.columns["class"].values
    names = meta["model"]["classes"]
    rejected = _told(counts["rejected"], "rejected", meta["model"], "reject")
    shares = "  ".join(
        f"{int((kinds == index).sum()):>3} {name}s" for index, name in enumerate(names)
    )
    return (
        f"{place}  {counts['found']:>4} cells: {shares}  {rejected}"
        f"  {counts['edge']:>2} at edge  {_trust(frame)}  {meta['timing_ms']['total']:>6.1f} ms"
        f"{'  synthetic' if meta['synthetic'] else ''}{_flags(meta)}{_faults(meta)}"
    )


def _flags(facts: dict[str, Any]) -> str:
    """What makes the frame doubtful, in capitals; nothing for a good one."""
    flags = facts.get("flags", {})
    raised = [name.upper() for name, value in flags.items() if value is True]
    if flags.get("misoriented") is True:
        raised.append(f"({flags.get('orientation')})")
    return "".join(f"  {name}" for name in raised)


def _faults(meta: dict[str, Any]) -> str:
    """What failed in the daemon while the frame was there; nothing where all worked."""
    failed = meta["counts"].get("failed", 0)
    faults = meta.get("degraded") or ()
    return (f"  {failed} FAILED" if failed else "") + (
        f"  DEGRADED ({', '.join(faults)})" if faults else ""
    )


def _source(facts: dict[str, Any]) -> str:
    return f"{facts.get('instrument')} {short_run(facts.get('run'))}"


def _trust(frame: "FrameRecord") -> str:
    """Mean confidence of the classified cells, and how many of them are unlike the training cells."""
    kinds = frame.columns["class"].values
    classified = kinds < len(frame.meta["model"]["classes"])
    model = frame.meta["model"]
    unusual = _told(int(frame.columns["ood"].values[classified].sum()), "unusual", model, "ood")
    sure = frame.columns["class_probability"].values[classified]
    confidence = f"{100 * sure.max(axis=1).mean():.0f} %" if len(sure) else "none"
    doubt = "" if model.get("calibrated", True) else " uncalibrated"
    return f"confidence {confidence}{doubt}  {unusual}"


def _told(count: int, what: str, model: dict[str, Any], decision: str) -> str:
    """A count of cells, unless the model cannot decide such a thing: then none would be taken for a good sign."""
    cannot = model.get(f"{decision}_threshold", 0.0) is None
    return f"n/a {what}" if cannot else f"{count:>3} {what}"


def summary_source(body: dict[str, Any]) -> str:
    """Who worded a summary: the template, or which language model, how bound, and in what time.

    A model of our table goes by its name there, known by its hash; another one by what it calls itself.
    """
    from phenostream.deploy.language_models.catalogue import by_hash

    source = body.get("source", "template")
    llm, seconds = body.get("llm"), body.get("seconds")
    if not isinstance(llm, dict):
        return str(source)
    sha256 = str(llm.get("sha256"))
    listed = by_hash(sha256)
    name = llm.get("name") if listed is None else listed.title
    within = f", {seconds:.1f} s" if isinstance(seconds, int | float) else ""
    return f"{source}, {name} ({sha256[:12]}){within}"


def _summary_text(body: dict[str, Any]) -> str:
    """A summary with who worded it; a language model's says which record's words it takes the place of."""
    of = body.get("of_offset")
    instead = "" if of is None else f", in place of {of}"
    text = printable(str(body.get("text")))
    return (
        f"summary of the {body.get('scope')} ({printable(summary_source(body))}{instead}): {text}"
    )


def _status_text(body: dict[str, Any]) -> str:
    from phenostream.deploy.cli.sending import ledger_line

    if body.get("event") == "model_changed":
        before, after = (_model_name(body[which]) for which in ("before", "after"))
        return f"model: {after} serves from now on, before it {before}; {body['why']}"
    if body.get("event") == "run_ended":
        by = " by timeout, its end was lost" if body.get("ended_by") == "timeout" else ""
        return f"run {body['run']} of {body['instrument']} ended{by}; {ledger_line(body['ledger'])}"
    mapped = "".join(
        f", {shot} is {truth}" for shot, truth in (body.get("channel_map") or {}).items()
    ).replace(",", "; channel map:", 1)
    how = "; BEST EFFORT: gaps are possible" if body.get("mode") == "best-effort" else ""
    name = f"run {body.get('run')} of {body.get('instrument')}"
    return f"{name}: {body.get('event')}{_camera(body)}{mapped}{how}"


def _model_name(model: dict[str, Any]) -> str:
    return (
        f"{model['name']} {model['version']} ({model['sha256'][:12]}) on {model['backend']} "
        f"{model['precision']}"
    )


def _camera(body: dict[str, Any]) -> str:
    """What a START says of the images, and how far an open run is."""
    start, counts = body.get("start"), body.get("counts")
    shots = (
        f"; {len(start['shots'])} x {start['height']} x {start['width']} {start['dtype']}, "
        f"{start['pixel_size_um']:g} um a pixel"
        if isinstance(start, dict)
        else ""
    )
    so_far = f"; {counts['received']} frames so far" if isinstance(counts, dict) else ""
    return f"{shots}{so_far}{'; synthetic' if body.get('synthetic') else ''}"
