"""What `simulate` and `replay` share when nobody answers them: the flags, reaching the daemon, and the last line."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from typing import TYPE_CHECKING, Final

from phenostream.deploy.cli.endpoints import client_keys
from phenostream.deploy.cli.terminal import note, say, say_json
from phenostream.engine.errors import BadConfig

if TYPE_CHECKING:
    from phenostream.daemon.client.best_effort_sender import BestEffortSender, BestEffortSettings

_PATIENCE_S: Final = 2.0
_PEER: Final = {"push": "pull", "pub": "sub"}


def add_best_effort(parser: argparse.ArgumentParser) -> None:
    """How to send to a `[[sources]]` port."""
    parser.add_argument(
        "--best-effort",
        choices=["push", "pub"],
        help="send to a [[sources]] port that answers nothing: push waits for the daemon, pub loses "
        "what it cannot take (the daemon counts it)",
    )
    parser.add_argument(
        "--bind",
        action="store_true",
        help="with --best-effort: listen at --to, the daemon connects",
    )
    parser.add_argument("--topic", help="with --best-effort: lead every message with this text")


def best_effort_settings(args: argparse.Namespace) -> "BestEffortSettings | None":
    """What `add_best_effort` was given; None for a lossless source.

    Raises:
        BadConfig: A flag that needs another one.
    """
    from phenostream.daemon.client.best_effort_sender import BestEffortSettings

    if args.best_effort is None:
        for flag in ("bind", "topic"):
            if getattr(args, flag):
                raise BadConfig(f"--{flag}: allowed with --best-effort")
        return None
    return BestEffortSettings(
        args.best_effort,
        bind=args.bind,
        topic=args.topic,
        encoding=args.encoding or "raw",
        single_shots=args.single_shots,
        keys=client_keys(args),
    )


@contextmanager
def unanswered(url: str, settings: "BestEffortSettings") -> "Iterator[BestEffortSender]":
    """A sender that a daemon listens to, saying on standard error what it waits for.

    Raises:
        Unreachable: No daemon came.
        BadConfig: The address is not one, or is in use.
    """
    from phenostream.daemon.client.best_effort_sender import BestEffortSender

    with BestEffortSender(url, settings) as sender:
        note(f"{'listening at' if settings.bind else 'connecting to'} {sender.url}")
        wanted = f'a [[sources]] entry with socket = "{_PEER[settings.way]}" and this endpoint'
        reminder = Timer(_PATIENCE_S, note, [f"no daemon at {sender.url} yet; it needs {wanted}"])
        reminder.daemon = True
        reminder.start()
        try:
            sender.reach()
        finally:
            reminder.cancel()
        yield sender


def say_sent(run: str, n_sent: int, n_said: int, *, as_json: bool) -> None:
    """Print what this end knows: how many frames left, and how many END spoke of."""
    if as_json:
        say_json({"run": run, "mode": "best-effort", "sent": n_sent, "announced": n_said})
    else:
        say(
            f"run {run}: {n_sent} frames sent, end says {n_said}; nobody answers: "
            "the ledger is in the run_ended record (`phenostream watch`)"
        )
