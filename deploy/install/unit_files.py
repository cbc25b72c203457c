"""Which files systemd shall find for the instances that are installed, and bringing the box to exactly these.

The same text serves as ``phenostream.service`` and as ``phenostream@.service``: whatever depends on the instance is a
specifier in it. Units that come as NAME and as NAME@ are for one and for many instances; the others are for the box.
What was chosen for an instance is a drop-in beside its unit; `systemctl edit` adds the site's own.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from phenostream.deploy.install.carried import Carried
from phenostream.deploy.install.files import write_whole
from phenostream.deploy.install.places import (
    NAME,
    OTHER_UNITS,
    SYSUSERS,
    TMPFILES,
    UNITS,
    Places,
    companion,
    unit_name,
)
from phenostream.deploy.install.record import Choice, Record, keep_record, sha256
from phenostream.deploy.install.steps import Steps
from phenostream.engine.errors import BadConfig

BACKEND: Final = "50-backend.conf"
NETWORK: Final = "50-network.conf"


def wanted_files(carried: Carried, instances: Mapping[str, Choice]) -> dict[str, str]:
    """Path on the box → text of all that these instances need; empty where there is no instance."""
    if not instances:
        return {}
    files = {
        SYSUSERS: carried.text("systemd/sysusers.conf"),
        TMPFILES: carried.text("systemd/tmpfiles.conf"),
    }
    units = carried.units()
    units.setdefault(f"{NAME}@.service", units[f"{NAME}.service"])
    for file, text in units.items():
        if _is_needed(file.removesuffix(".service"), units, instances):
            files[f"{UNITS}/{file}"] = text
    for name, choice in instances.items():
        files |= _drop_ins(carried, name, choice)
    return files


def _is_needed(stem: str, units: Mapping[str, str], instances: Mapping[str, Choice]) -> bool:
    if stem.endswith("@"):
        return f"{stem[:-1]}.service" not in units or any(instances)
    return f"{stem}@.service" not in units or "" in instances


def _drop_ins(carried: Carried, instance: str, choice: Choice) -> Mapping[str, str]:
    """What was chosen for the daemon; its summariser, which speaks to nobody else, has no network where it has none."""
    own = f"{UNITS}/{unit_name(instance)}.service.d"
    files = {f"{own}/{BACKEND}": carried.drop_in(choice.backend)}
    if choice.network != "box":
        files[f"{own}/{NETWORK}"] = carried.drop_in(choice.network)
    if choice.network == "local":
        words = f"{UNITS}/{companion('summariser', instance)}.service.d"
        files[f"{words}/{NETWORK}"] = carried.drop_in(choice.network)
    return files


def refuse_strangers(places: Places, record: Record, wanted: Mapping[str, str]) -> None:
    """Refuse to go on where a file of somebody else is in the way, or hides behind ours.

    Raises:
        BadConfig: One is; the text says which, and what to do.
    """
    for path, text in wanted.items():
        if (at := places.at(path)).is_symlink():
            raise BadConfig(
                f"{at}: a link to {at.readlink()} is in the way: remove it (`systemctl unmask`)"
            )
        known = (*record.files.get(path, ()), sha256(text))
        if (found := _content(at)) is not None and sha256(found) not in known:
            raise BadConfig(
                f"{at}: not as this command wrote it: put changes into `systemctl edit`, and move the file away"
            )
        if path.startswith(f"{UNITS}/") and path.count("/") == UNITS.count("/") + 1:
            _refuse_twice(places, Path(path).name)


def differing(places: Places, record: Record, wanted: Mapping[str, str]) -> set[str]:
    """Paths that are not on the box as they should be, or are there and should not."""
    wrong = {path for path, text in wanted.items() if _content(places.at(path)) != text}
    return wrong | {
        path for path in record.files if path not in wanted and places.at(path).exists()
    }


def bring(places: Places, record: Record, wanted: Mapping[str, str], steps: Steps) -> None:
    """Write what is wanted and remove what was ours and is not. The record is right at every instant: see `record`.

    Raises:
        BadConfig: A file of somebody else is in the way.
    """
    refuse_strangers(places, record, wanted)
    gone = [path for path in record.files if path not in wanted and places.at(path).exists()]
    if not steps.dry:
        both = {path: (*record.files.get(path, ()), sha256(text)) for path, text in wanted.items()}
        keep_record(places, replace(record, files=_plain(record.files | both)))
    for path, text in wanted.items():
        at = places.at(path)
        steps.ensure(f"write {path}", _content(at) == text, partial(write_whole, at, text))
    for path in gone:
        if sha256(_content(places.at(path)) or "") in record.files[path]:
            steps.ensure(f"remove {path}", False, partial(_remove, places.at(path)))
        else:
            steps.leave(f"{path}: changed since it was written; no longer needed")
    if not steps.dry:
        ours = {path: (sha256(text),) for path, text in wanted.items()}
        keep_record(places, replace(record, files=_plain(ours)))


def _plain(files: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {path: tuple(dict.fromkeys(sums)) for path, sums in files.items()}


def _content(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _refuse_twice(places: Places, name: str) -> None:
    for folder in OTHER_UNITS:
        if (other := places.at(folder) / name).exists():
            raise BadConfig(
                f"{other}: this unit is installed already, by a package: remove that first"
            )


def _remove(path: Path) -> None:
    path.unlink()
    if path.parent.name.endswith(".service.d") and not any(path.parent.iterdir()):
        path.parent.rmdir()
