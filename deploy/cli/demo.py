"""A simulated DPC microscope → the daemon → results, a summary and the exact ledger, in one terminal, no configuration.

Starts a real daemon process with the synthetic demo weights in a folder of its own, streams simulated frames to it over
ZeroMQ, follows the results as a subscriber would, and drains it. With --recording the recording is replayed afterwards
through the same daemon. Each run ends with a summary in the words of a local language model, if `phenostream fetch-llm
smollm2` has brought one; else in those of a template, with the same facts. Exit code 0 means: every frame received was
published, and the subscriber saw each once.

Examples:
  phenostream demo
  phenostream demo --llm ~/models/other.gguf
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from phenostream.deploy.cli.population_tables import say_population, say_some_cells
from phenostream.deploy.cli.record_lines import frame_line, summary_source
from phenostream.deploy.cli.sending import ledger_line
from phenostream.deploy.cli.simulate import (
    add_microscope_arguments,
    build_microscope,
    microscope_settings,
)
from phenostream.deploy.cli.terminal import note, printable, say, say_json
from phenostream.engine.errors import BadConfig

if TYPE_CHECKING:
    from phenostream.daemon.wire.ingest import Report
    from phenostream.deploy.child import DaemonChild
    from phenostream.deploy.demo import Seen
    from phenostream.deploy.microscope import MicroscopeSettings
    from phenostream.deploy.narrator import Narrator

_LATE_S = 5.0
"""For words to become a record, or their time to be over."""
_PATIENCE_S = 45.0
"""For a language model to be loaded, and then to word a summary, on a busy box: it takes what others leave."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_microscope_arguments(parser)
    parser.set_defaults(size=1024, preset="easy", seed=1)
    parser.add_argument("--frames", type=int, default=12, help="simulated frames (default 12)")
    parser.add_argument(
        "--bundle", default="demo", metavar="DIR", help="model bundle (default: demo)"
    )
    parser.add_argument(
        "--recording", type=Path, metavar="PATH", help="replay this recording afterwards"
    )
    parser.add_argument(
        "--llm",
        metavar="MODEL",
        help="what words the summary: a name of fetch-llm, a GGUF file, or none (default: smollm2 if it is there)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a run instead")


def run(args: argparse.Namespace) -> int:
    """Show the whole product once."""
    from phenostream.deploy.bundles import bundle_path
    from phenostream.deploy.child import DaemonChild, child_settings
    from phenostream.deploy.narrator import narrator
    from phenostream.engine.bundle import load_bundle

    if not 1 <= args.frames <= 100_000:
        raise BadConfig(f"--frames {args.frames}: allowed 1 to 100000")
    settings = microscope_settings(args)
    path = bundle_path(args.bundle).resolve()
    load_bundle(path)
    words = narrator(args.llm)
    with TemporaryDirectory(prefix="phenostream-") as name:
        folder = Path(name)
        with DaemonChild(folder, child_settings(str(path)) + _summary_settings(words)) as daemon:
            if not args.json:
                say(f"daemon ready in {daemon.ready['startup_s']:.2f} s: {daemon.ready['model']}")
            stage = _Stage(args.json, daemon.ready, words, _words_come(args.json, daemon, words))
            codes = [_simulated(args, settings, stage)]
            if args.recording is not None:
                codes.append(_recorded(args.recording, stage))
            codes.append(daemon.stop())
    if not args.json:
        say(
            "daemon drained and stopped"
            if codes[-1] == 0
            else f"daemon ended with exit code {codes[-1]}"
        )
        say("Research use only, not a diagnosis.")
    return max(1 if code < 0 else code for code in codes)  # negative: a signal killed the daemon


@dataclass(frozen=True, slots=True)
class _Stage:
    """How runs are shown, and by which daemon.

    Attributes:
        words_come: A language model is loaded that words their summaries.
    """

    as_json: bool
    endpoints: dict[str, Any]
    words: "Narrator"
    words_come: bool


def _simulated(args: argparse.Namespace, settings: "MicroscopeSettings", stage: _Stage) -> int:
    from phenostream.daemon.client.sender import Sender
    from phenostream.daemon.client.stream import stream
    from phenostream.daemon.run_id import new_run_id

    microscope = build_microscope(settings)

    def send() -> "Report":
        start = microscope.start(new_run_id(), args.frames)
        with Sender(stage.endpoints["ingest"], start.instrument) as sender:
            return stream(sender, start, microscope.frames(args.frames))

    title = (
        f"simulated microscope (SYNTHETIC): {args.frames} frames of 4 x {args.size} x {args.size}, "
        f"preset {args.preset}, seed {args.seed}"
    )
    return _show(title, stage, send)


def _recorded(recording: Path, stage: _Stage) -> int:
    from phenostream.daemon.recordings.facts import facts
    from phenostream.daemon.recordings.replay import replay

    held = facts(recording)
    synthetic = any(one.start.synthetic for one in held.runs)
    title = f"replay of {recording.name}: {held.frames} frames of {'SYNTHETIC' if synthetic else 'real'} cells"
    if not synthetic:
        title += (
            " (the weights are synthetic: finding real cells is meaningful, their classes are not)"
        )
    return _show(title, stage, lambda: replay(recording, stage.endpoints["ingest"])[-1])


def _show(title: str, stage: _Stage, send: "Callable[[], Report]") -> int:
    from phenostream.deploy.demo import watch_one_run

    patience_s = _PATIENCE_S + _LATE_S if stage.words_come else 0.0
    if stage.as_json:
        seen, report = watch_one_run(stage.endpoints, send, lambda _frame: None, patience_s)
        say_json(
            {
                "title": title,
                "frames": len(seen.frames),
                "ledger": report.ledger,
                "summary": seen.summary,
                "lacks": stage.words.lacks or None,
            }
        )
        return _verdict(seen, report)
    say(f"\n== {title}")
    seen, report = watch_one_run(
        stage.endpoints, send, lambda frame: say(frame_line(frame)), patience_s
    )
    if seen.summary:  # none where no frame was published
        say_population(seen)
        say_some_cells(seen.frames)
        _say_summary(seen, stage)
    say(f"ledger: {ledger_line(report.ledger)}")
    code = _verdict(seen, report)
    say(
        "every frame received was published, and seen once"
        if code == 0
        else "FRAMES ARE MISSING: see the ledger"
    )
    return code


def _summary_settings(words: "Narrator") -> str:
    """TOML lines: a demo waits longer for words than a site should."""
    if words.model is None:
        return ""
    llm = json.dumps(str(words.model.resolve()))
    return f"[summary]\nllm = {llm}\ndeadline_s = {_PATIENCE_S}\n"


def _words_come(as_json: bool, daemon: "DaemonChild", words: "Narrator") -> bool:
    """Wait until the language model is loaded, for what is said before is not worded; whether there is one."""
    from phenostream.daemon.client.control import Control
    from phenostream.deploy.demo import await_summariser

    if words.model is None:
        return False
    with Control(daemon.ready["control"]) as control:
        lacks = await_summariser(control, _PATIENCE_S)
    if lacks:
        note(f"phenostream demo: no language model after {_PATIENCE_S:.0f} s: {printable(lacks)}")
    elif not as_json:
        say(f"language model loaded: {words.model}")
    return not lacks


def _say_summary(seen: "Seen", stage: _Stage) -> None:
    """The words, whose they are, and why they are not a language model's."""
    say(f"\nsummary: {printable(seen.summary['text'])}")
    say(f"worded by: {printable(summary_source(seen.summary))}")
    if stage.words.lacks:
        say(f"a language model could word it: {stage.words.lacks}")
    elif stage.words.model is not None and not seen.worded:
        say(f"the summariser takes only idle cores and gave no other words in time: {_why(stage)}")
        _say_words_now(seen, stage.words)


def _say_words_now(seen: "Seen", words: "Narrator") -> None:
    """The same facts worded by this process, which does not stand back behind others."""
    from phenostream.deploy.telling import Manner, as_told, worded
    from phenostream.engine.summary.facts import Facts

    told = worded(Facts.from_dict(seen.summary["facts"]), Manner("bedside", "en", "grammar"), words)
    if told.llm is None:
        say(f"asked for at once it gave none either: {printable('; '.join(told.refused))}")
        return
    say(f"asked for at once: {printable(told.text)}")
    say(f"worded by: {printable(summary_source(as_told(told)))}")


def _why(stage: _Stage) -> str:
    """What the daemon knows of the summariser's trouble."""
    from phenostream.daemon.client.control import Control

    with Control(stage.endpoints["control"]) as control:
        known = control.status().get("summariser", {})
    return printable(
        str(known.get("last_refusal") or known.get("reason") or "it said nothing of it")
    )


def _verdict(seen: "Seen", report: "Report") -> int:
    """0 when received = published, the subscriber saw each frame once, and both were told the same ledger."""
    ledger = report.ledger
    exact = (
        ledger["received"] == ledger["published"] == len(seen.frames)
        and len({frame.meta["frame_seq"] for frame in seen.frames}) == len(seen.frames)
        and not ledger["missing"]
        and seen.ledger == ledger
        and not seen.gaps
    )
    return 0 if exact else 1
