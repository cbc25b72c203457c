"""The first configuration of an instance, and the keys it asks for: the example, with the places of a service in it.

It is written once; then it is the site's, and no installation changes it again.
"""

import re
import shutil
import tomllib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from phenostream.daemon.security.allow_list import FOLDER, SUFFIX, Role
from phenostream.daemon.security.key_folder import make_client, make_server
from phenostream.daemon.security.keys import SERVER_PAIR
from phenostream.deploy.install.carried import Carried
from phenostream.deploy.install.files import write_whole
from phenostream.deploy.install.listen import FIRST_PORT, SECTIONS, Listen, free_ports
from phenostream.deploy.install.places import (
    NAME,
    Places,
    config_file,
    config_folder,
    unit_name,
)
from phenostream.deploy.install.record import Network
from phenostream.deploy.install.services import Values, config_values, network_of, table
from phenostream.deploy.install.settings import Value, has_key, with_settings
from phenostream.deploy.install.steps import Steps
from phenostream.engine.errors import BadConfig

MONITOR_PORT: Final = 9750
_BESIDE: Final[dict[str, tuple[str, Role]]] = {
    "monitor": ("monitor", "subscriber"),
    "summariser": ("summary", "summariser"),
}
"""What stands beside a daemon: its section of the configuration, and what its key may do."""


def network_for(places: Places, instance: str, listen: Listen | None) -> Network:
    """From where an instance will be reached, as its configuration says or will say.

    Raises:
        BadConfig: It has a configuration, which says something else than what was asked for.
    """
    path = places.at(config_file(instance))
    if not path.exists():
        return (listen or Listen()).network
    values = config_values(path)
    ingest = str(table(values, "ingest").get("endpoint", ""))
    if listen is not None and not listen.agrees_with(ingest):
        raise BadConfig(
            f"--listen {listen}: {path} is there already, with ingest at {ingest}: change its endpoints, "
            "then install again without --listen"
        )
    return network_of(values)


def configure(
    carried: Carried, places: Places, instance: str, listen: Listen | None, steps: Steps
) -> Values:
    """Write the configuration and its keys, where there are none; what it says.

    Raises:
        BadConfig: What the release carries is not whole, or keys cannot be made.
    """
    path = config_file(instance)
    at = places.at(path)
    if at.exists():
        steps.leave(f"{path}: it is the site's")
        values = config_values(at)
    else:
        text = first_config(carried, places, instance, listen or Listen())
        steps.ensure(f"write {path}", False, partial(write_whole, at, text))
        values = tomllib.loads(text)
    keys = f"{config_folder(instance)}/keys"
    if table(values, "security").get("keys") == keys:
        _make_keys(keys, places, instance, steps)
    return values


def first_config(carried: Carried, places: Places, instance: str, listen: Listen) -> str:
    """The text of it.

    Raises:
        BadConfig: What the release carries is not whole.
    """
    name, folder = unit_name(instance), config_folder(instance)
    taken = set(_taken_ports(places, instance))
    settings: dict[tuple[str, str], Value] = {
        ("journal", "directory"): f"/var/lib/{name}/journal",
        ("quarantine", "directory"): f"/var/lib/{name}/quarantine",
        ("model", "engine_cache"): f"/var/cache/{name}/engines",
        ("security", "ipc_group"): NAME,
        ("summary", "start"): False,
    }
    settings |= {
        (section, "endpoint"): url for section, url in _endpoints(name, listen, taken).items()
    }
    if listen.address is not None:
        settings["security", "keys"] = f"{folder}/keys"
        for beside, (section, _) in _BESIDE.items():
            if has_key(carried.example, section, "keys"):
                settings[section, "keys"] = f"{folder}/{beside}.keys"
    if has_key(carried.example, "monitor", "address"):
        settings["monitor", "address"] = f"127.0.0.1:{free_ports(MONITOR_PORT, 1, taken)}"
        settings["monitor", "start"] = False
    head = f"# {name}: written once by `phenostream install`; no installation changes it again, it is yours.\n"
    return head + with_settings(carried.example, settings)


def _endpoints(name: str, listen: Listen, taken: set[int]) -> dict[str, str]:
    if listen.address is None:
        return {section: f"ipc:///run/{name}/{section}" for section in SECTIONS}
    first = listen.port or free_ports(FIRST_PORT, len(SECTIONS), taken)
    return {
        section: f"tcp://{listen.address}:{port}" for port, section in enumerate(SECTIONS, first)
    }


def _make_keys(keys: str, places: Places, instance: str, steps: Steps) -> None:
    at = places.at(keys)
    steps.ensure(f"keys in {keys}", (at / SERVER_PAIR).exists(), partial(_make_server, at))
    for beside, (_, role) in _BESIDE.items():
        out = f"{config_folder(instance)}/{beside}.keys"
        make = partial(_make_client, at, beside, role, places.at(out))
        steps.ensure(f"key of the {beside} in {out}", places.at(out).exists(), make)


def _make_server(at: Path) -> None:
    """Whole or not at all: a kill leaves a folder of another name."""
    if at.exists():
        make_server(at)
        return
    unfinished = _unfinished(at)
    shutil.rmtree(unfinished, ignore_errors=True)
    make_server(unfinished)
    unfinished.replace(at)


def _make_client(keys: Path, name: str, role: Role, out: Path) -> None:
    """Whole or not at all: what a kill left, and the entry of a key that nobody was given, is made again."""
    unfinished = _unfinished(out)
    if unfinished.exists():
        shutil.rmtree(unfinished)
        (keys / FOLDER / role / f"{name}{SUFFIX}").unlink(missing_ok=True)
    make_client(keys, name, role, unfinished)
    unfinished.replace(out)


def _unfinished(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.partial")


def _taken_ports(places: Places, instance: str) -> Iterator[int]:
    """Ports that the configurations of the other instances name."""
    mine = places.at(config_file(instance))
    for path in sorted(places.at("/etc").glob(f"{NAME}*/config.toml")):
        if path != mine:
            for text in _texts(config_values(path)):
                if found := re.search(r":(\d{1,5})$", text):
                    yield int(found[1])


def _texts(value: Any) -> Iterator[str]:
    """Every text in it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)
