"""The engine cache of a daemon: its folder, and the key beside it that says which entries are the daemon's own."""

import secrets
from pathlib import Path
from typing import Final

from phenostream.daemon.security.secret_file import read_secret, secret_path, write_secret
from phenostream.engine.engine_cache import KEY_BYTES, EngineCache
from phenostream.engine.errors import BadConfig

_KEY: Final = "model.engine_cache"


def opened_cache(directory: Path | None, named: str = _KEY) -> EngineCache | None:
    """The cache in a folder, `named` in messages as its user knows it; None where none is wanted.

    The key is the systemd credential DIRECTORY.key where there is one, else the file of that name beside the folder,
    made at the first start. Whoever loses it loses the entries, which are then made again.

    Raises:
        BadConfig: The key file is none, or others may read it; the folder is none, or not ours alone.
    """
    if directory is None:
        return None
    path = secret_path(directory.parent, f"{directory.name}.key")
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make_key(path)
        key = read_secret(path)
    except OSError as err:
        raise BadConfig(f"{named}: {path}: {(err.strerror or str(err)).lower()}") from err
    except BadConfig as err:
        raise BadConfig(f"{named}: {err}") from err
    if len(key) != KEY_BYTES:
        raise BadConfig(f"{named}: {path}: {len(key)} bytes, expected a key of {KEY_BYTES}")
    # At once: a backend that cannot use it would be passed over for a slower one.
    check_folder(directory, named)
    return EngineCache(directory, key)


def _make_key(path: Path) -> None:
    """A new key, unless another process that starts at this moment was first: then its key is ours too."""
    try:
        write_secret(path, secrets.token_bytes(KEY_BYTES))
    except BadConfig:
        if not path.exists():
            raise


def check_folder(directory: Path, named: str = _KEY) -> None:
    """See that the folder can be a cache; it is made where it is not there.

    Raises:
        BadConfig: It is none, or not ours alone.
    """
    try:
        EngineCache(directory, bytes(KEY_BYTES)).check()
    except BadConfig as err:
        raise BadConfig(f"{named}: {err}") from err
