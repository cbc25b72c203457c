"""Another model for a running daemon: load it beside the one that serves, compare both on live cells, go over to it.

`load` has the daemon read and verify the bundle, open and warm it, and put it to its golden test and to live cells
whose results nobody sees. Only if it agrees does it serve, from one frame to the next, and for a probation the model
before it stands by, warm. `list` tells what serves, what stands by and what became of the last swap; `cancel` gives a
swap up. Nothing here changes the configuration: a daemon that is started again serves what its file says.

Exit code of `load`: 0 it serves; 1 it was refused, rolled back or cancelled, and the model before it serves; 2 bad
usage. Ctrl-C leaves the swap under way.

Examples:
  phenostream model load /srv/models/phenotyper-1.4
  phenostream model load /srv/models/phenotyper-1.4 --cells 10000 --min-agreement 0.9 --json
  phenostream model list
"""

import argparse
import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Self

from phenostream.daemon.swap.state import SwapSettings
from phenostream.deploy.cli.endpoints import CONTROL, add_keys, client_keys
from phenostream.deploy.cli.swap_report import STATES, say_swap, who
from phenostream.deploy.cli.terminal import note, printable, progress, say, say_json, say_table
from phenostream.engine.errors import BadConfig

if TYPE_CHECKING:
    from tqdm import tqdm

    from phenostream.daemon.client.control import Control

_TERMS: Final[dict[str, tuple[str, str]]] = {
    "cells": ("N", "live cells to compare before it serves"),
    "min_agreement": ("SHARE", "least share of them that both models decide alike"),
    "max_marker_shift": ("SD", "largest mean difference of a marker, in standard deviations"),
    "max_slowdown": ("RATIO", "largest ratio of the time a cell takes, new to old"),
    "wait_s": ("S", "longest time to wait for those cells, and longest probation"),
}
"""Keys of the `model_load` request: what stands for the value, and one line of help."""
_DEFAULTS: Final = {field.name: field.default for field in dataclasses.fields(SwapSettings)}
_COUNTED: Final = {"comparing": ("cells", "cell"), "probation": ("frames", "frame")}
"""States that take long: what their progress counts, and one of it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the subcommands."""
    kinds = parser.add_subparsers(dest="kind", metavar="WHAT", required=True)
    loading = kinds.add_parser("load", help="have another model serve, if it stands the comparison")
    loading.add_argument(
        "bundle", metavar="BUNDLE", help="folder of the bundle on the daemon's box, or demo"
    )
    add_terms(loading)
    loading.set_defaults(act=_load)
    listing = kinds.add_parser("list", help="what serves, what stands by, and the last swap")
    listing.set_defaults(act=_list)
    cancelling = kinds.add_parser("cancel", help="give up the swap that is under way")
    cancelling.set_defaults(act=_cancel)
    for sub, flag in ((loading, "--to"), (listing, "--from"), (cancelling, "--to")):
        sub.add_argument(
            flag,
            dest="url",
            default=CONTROL,
            metavar="URL",
            help=f"control endpoint (default {CONTROL})",
        )
        add_keys(sub)
        sub.add_argument("--json", action="store_true", help="print one JSON object")


def add_terms(parser: argparse.ArgumentParser) -> None:
    """What is asked of a model before and after it goes live."""
    for key, (shown, text) in _TERMS.items():
        default = _DEFAULTS[key]
        flag = f"--{key.removesuffix('_s').replace('_', '-')}"
        parser.add_argument(
            flag,
            dest=key,
            type=type(default),
            default=default,
            metavar=shown,
            help=f"{text} (default {default:g})",
        )
    parser.add_argument(
        "--now",
        action="store_true",
        help="serve without a comparison on live cells: then only a fault takes it back",
    )


def terms_of(args: argparse.Namespace) -> dict[str, float | bool]:
    """What `add_terms` was given, as keys of the request."""
    return {key: getattr(args, key) for key in (*_TERMS, "now")}


def run(args: argparse.Namespace) -> int:
    """Run the chosen subcommand."""
    from phenostream.daemon.client.control import Control

    act: Callable[[argparse.Namespace, Control], int] = args.act
    with Control(args.url, keys=client_keys(args)) as control:
        return act(args, control)


def _load(args: argparse.Namespace, control: "Control") -> int:
    from phenostream.daemon.client.swapping import follow_swap

    bundle = _on_the_box(args.bundle, args.url)
    swap = control.load_model(bundle, terms_of(args))
    with _Shown() as shown:
        try:
            swap = follow_swap(control, swap, shown.look)
        except KeyboardInterrupt:
            note("the swap goes on: `phenostream model list` tells of it, `model cancel` ends it")
            raise
    if args.json:
        say_json(swap)
    else:
        say_swap(swap)
    return 0 if swap["state"] == "serving" else 1


def _list(args: argparse.Namespace, control: "Control") -> int:
    card, swap = control.model(), control.model_swap()
    del card["manifest"]
    if args.json:
        say_json({"serves": card, "swap": swap})
        return 0
    rows = [("serves", *_row(card))]
    if (waiting := swap.get("standing_by")) is not None:
        rows.append(("stands by", *_row(waiting)))
    say_table(["what", "model", "sha256", "runs on", "signed by"], rows)
    say()
    say_swap(swap)
    return 0


def _cancel(args: argparse.Namespace, control: "Control") -> int:
    from phenostream.daemon.client.swapping import follow_swap

    swap = follow_swap(control, control.cancel_swap(), lambda _swap: None)
    if args.json:
        say_json(swap)
    else:
        say_swap(swap)
    return 0 if swap["state"] != "serving" else 1


def _on_the_box(name: str, url: str) -> str:
    """The bundle's folder as the daemon finds it; a relative path means this box.

    Raises:
        BadConfig: A relative path for a daemon that may be on another box.
    """
    from phenostream.daemon.endpoint import is_local
    from phenostream.deploy.bundles import bundle_path

    path = bundle_path(name)
    if not path.is_absolute() and not is_local(url):
        raise BadConfig(f"BUNDLE {name!r}: allowed an absolute path, as the box of {url} has it")
    return str(path.absolute())


def _row(card: Mapping[str, Any]) -> tuple[str, ...]:
    """Of a model: who it is, what it runs on, and who signed it."""
    runs_on = " ".join(str(card.get(key, "?")) for key in ("backend", "precision", "device"))
    texts = (who(card), str(card.get("sha256"))[:12], runs_on, card.get("signed_by") or "nobody")
    return tuple(printable(text) for text in texts)


class _Shown:
    """A line for each state of a swap and a bar for those that take long, on standard error; a context manager."""

    def __init__(self) -> None:
        self._state = ""
        self._bar: tqdm[Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def look(self, swap: Mapping[str, Any]) -> None:
        """Show how far it is."""
        state = str(swap.get("state"))
        if state != self._state:
            self._enter(state, swap)
        if self._bar is not None:
            self._bar.update(swap["progress"][_COUNTED[state][0]] - self._bar.n)

    def _enter(self, state: str, swap: Mapping[str, Any]) -> None:
        self._state = state
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        if state in STATES:
            note(f"{state}: {STATES[state]}")
        if state in _COUNTED:
            what, unit = _COUNTED[state]
            self._bar = progress(swap["progress"][f"of_{what}"], state, unit)
