"""The visible table of commands, and the one place where an error becomes an exit code.

A command is a module with `add_arguments(parser)` and `run(args) -> int`; it is imported only when asked for, so that
`phenostream run` never loads what `train` needs.
"""

import argparse
import importlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from types import FrameType
from typing import Final, NoReturn, Protocol, cast

from phenostream.deploy.cli.terminal import say_json
from phenostream.engine.errors import BadInput, MissingPackage, PhenostreamError

GOOD, FAILED, BAD_USAGE, DEGRADED = 0, 1, 2, 3
"""Exit codes: all well; the run failed; bad usage or input; it ran, but degraded."""
TERMINATED: Final = 128 + signal.SIGTERM
"""As a shell reports a process that SIGTERM ended."""

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "demo": ("demo", "simulated microscope → daemon → results and summary, in one terminal"),
    "run": ("run", "the daemon"),
    "summariser": ("summariser", "words a daemon's summaries with a language model, beside it"),
    "monitor": ("monitor", "a daemon's metrics, health and status page over HTTP, beside it"),
    "check": ("check", "validate a configuration, its bundle and its endpoints; start nothing"),
    "doctor": ("doctor", "what is well and what is not with a box and its daemon, and what to do"),
    "simulate": ("simulate", "a simulated DPC microscope that streams to a daemon"),
    "replay": ("replay", "send a recording to a daemon, as the microscope did"),
    "record": ("record", "receive a microscope's frames into a recording"),
    "background": ("background", "a recorded background for dividing out shading and dust"),
    "info": ("info", "what a recording holds, or what a bundle is and who signed it"),
    "check-orientation": (
        "check_orientation",
        "which illumination each shot of a recording truly is, and the channel map that mends it",
    ),
    "status": ("status", "how a daemon is: state, faults, every run's exact account"),
    "top": ("top", "a live view of a daemon in the terminal"),
    "reload": ("reload", "have a daemon read its allow-list again, and wait until it has"),
    "quarantine": ("quarantine", "list the frames that broke their contract, or send them again"),
    "model": ("model", "what model serves; have another one serve, compared on live cells first"),
    "watch": ("watch", "follow results as they are published"),
    "summarise": ("summarise", "the newest summary of a run, in the words and style you ask for"),
    "export": ("export", "results to .csv or .parquet"),
    "journal": ("journal", "what a journal holds, whether it is whole, and making it smaller"),
    "keys": ("keys", "keys for tcp and for signing bundles: make, let in, list, sign"),
    "bench": ("bench", "measure engine, pipeline, latency, detection or orientation on this box"),
    "install": ("install", "put it on this box as a service; bring it up to date; go back"),
    "uninstall": ("uninstall", "take the service off this box; data and configuration stay"),
    "bundle-wheels": (
        "bundle_wheels",
        "a folder with everything an installation needs, for a box without a network",
    ),
    "fetch-llm": ("fetch_llm", "bring a language model onto this box, checked, for summaries"),
    "train": ("train", "train the model (simulated cells)"),
    "evaluate": (
        "evaluate",
        "judge a model on cells it never saw; a report with intervals and baselines",
    ),
    "compare": (
        "compare",
        "two evaluated runs side by side, with what differs by more than chance",
    ),
    "bsccm": ("bsccm", "the published cells: what a folder holds, packing, a synthetic mirror"),
    "reproduce": (
        "reproduce",
        "BSCCM to a report: pack, train, evaluate under one protocol; reproduced or not",
    ),
    "build-engine": (
        "build_engine",
        "build what TensorRT runs of a bundle, before the daemon needs it",
    ),
    "adapt": ("adapt", "fit a bundle's normalisation to a site's own unlabelled cells"),
    "export-model": ("export_model", "write a trained model as a bundle"),
    "import-checkpoint": ("import_checkpoint", "write a bundle from published weights"),
}
"""Name on the command line: module under `deploy/cli`, and one line of help."""

_SERVICES: Final = ("run", "summariser", "monitor")
"""Commands that run for ever, perhaps under systemd."""
_STORIES: Final = (*_SERVICES, "train")
_OWN_SIGNALS: Final = ("run", "record")
"""Commands that drain at SIGTERM; the others unwind as at Ctrl-C."""
_NOTICE: Final = "Research use only; not a diagnosis. Results made with synthetic weights say so."


class Command(Protocol):
    """What a command module offers."""

    __doc__: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's arguments."""

    def run(self, args: argparse.Namespace) -> int:
        """Do it; return the exit code."""


class Terminated(KeyboardInterrupt):
    """SIGTERM came: whatever is open is closed on the way out, as at Ctrl-C."""


class _BadUsage(Exception):
    """The command line is none of ours; the text is the whole line."""


class _Parser(argparse.ArgumentParser):
    """Says what was wrong in one line, then how to learn more."""

    def error(self, message: str) -> NoReturn:
        raise _BadUsage(f"{self.prog}: {message} (see `{self.prog} --help`)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    _pin_threads()
    words = list(sys.argv[1:] if argv is None else argv)
    name = next((word for word in words if not word.startswith("-")), None)
    parser = _build_parser(name if name in COMMANDS else None)
    as_json = "--json" in words
    try:
        args = _parsed(parser, words)
    except _BadUsage as err:
        return _complain(str(err), BAD_USAGE, as_json)
    if "run" not in args:
        parser.print_help()
        return GOOD if not words else BAD_USAGE
    _set_up_logging(args)
    reason, code = "", FAILED
    try:
        with _unwinding_at_sigterm(args.command):
            return cast(int, args.run(args))
    except (BadInput, MissingPackage) as err:
        reason, code = str(err), BAD_USAGE
    except PhenostreamError as err:
        reason = str(err)
    except ValueError as err:
        line = _refused_value(err)
        if line is None:
            raise
        reason, code = line, BAD_USAGE
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return GOOD
    except OSError as err:
        where = f"{err.filename}: " if err.filename else ""
        reason = f"{where}{err.strerror or err}"
    except Terminated:
        reason, code = "terminated", TERMINATED
    except KeyboardInterrupt:
        reason = "interrupted"
    return _complain(f"phenostream {args.command}: {reason}", code, as_json)


def _parsed(parser: argparse.ArgumentParser, words: list[str]) -> argparse.Namespace:
    """The arguments; a word that no command takes is told as the command's own, which argparse does not do.

    Raises:
        _BadUsage: They are not allowed.
    """
    args, unknown = parser.parse_known_args(words)
    if unknown:
        prog = f"{parser.prog} {args.command}" if args.command else parser.prog
        raise _BadUsage(
            f"{prog}: unrecognized arguments: {' '.join(unknown)} (see `{prog} --help`)"
        )
    return args


def _build_parser(chosen: str | None) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="phenostream",
        description="Streaming edge inference for label-free imaging cytometry.",
        epilog=_NOTICE,
    )
    parser.add_argument("--version", action="version", version=_version())
    parser.add_argument("-v", "--verbose", action="store_true", help="log details")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    for name, (module, help_line) in COMMANDS.items():
        sub = commands.add_parser(name, help=help_line, description=help_line, epilog=_NOTICE)
        if name == chosen:
            command = cast(Command, importlib.import_module(f"phenostream.deploy.cli.{module}"))
            sub.description = command.__doc__
            sub.formatter_class = argparse.RawDescriptionHelpFormatter
            command.add_arguments(sub)
            if name in _SERVICES:
                _add_log(sub)
            sub.set_defaults(run=command.run)
    return parser


def _add_log(parser: argparse.ArgumentParser) -> None:
    from phenostream.daemon.logs import FORMS

    parser.add_argument(
        "--log",
        choices=FORMS,
        default="auto",
        help="form of the log: text, JSON lines, or as it fits: to journald under systemd, else text (auto)",
    )


def _pin_threads() -> None:
    """One thread a numeric library, unless the caller chose: our own threads already fill the cores (before numpy)."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")


def _version() -> str:
    import zmq

    return f"phenostream {metadata.version('phenostream')} (libzmq {zmq.zmq_version()})"


def _set_up_logging(args: argparse.Namespace) -> None:
    """A process that serves tells its story, every other command speaks up only when something is wrong."""
    from phenostream.daemon.logs import Form, set_up

    command: str = args.command
    story = logging.INFO if command in _STORIES else logging.WARNING
    form: Form = args.log if command in _SERVICES else "text"
    name = "phenostream" if command == "run" else f"phenostream-{command}"
    set_up(form, logging.DEBUG if args.verbose else story, name)


def _complain(line: str, code: int, as_json: bool) -> int:
    """One line on standard error, and for a program that asked for JSON the same on standard output."""
    line = " ".join(line.split())
    sys.stderr.write(line + "\n")
    if as_json:
        _, _, reason = line.partition(": ")
        say_json({"good": False, "reason": reason, "exit_code": code})
    return code


def _refused_value(err: ValueError) -> str | None:
    """What pydantic refused, in one line; None for any other error."""
    if "pydantic" not in sys.modules:
        return None
    from pydantic import ValidationError

    from phenostream.daemon.wire.validation import describe

    return describe(err) if isinstance(err, ValidationError) else None


@contextmanager
def _unwinding_at_sigterm(command: str) -> Iterator[None]:
    """SIGTERM raises `Terminated` in here, so that children are stopped and folders removed."""
    if command in _OWN_SIGNALS or threading.current_thread() is not threading.main_thread():
        yield
        return

    def unwind(_number: int, _frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, unwind)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
