"""Public keys of who may vouch for a bundle, as files: PEM of an Ed25519 key (RFC 8410), named by the file.

`phenostream keys signing` writes them; `openssl pkey -pubout` writes the same. Knows files and their form; what a
signature is, `engine.signature` knows.
"""

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from phenostream.engine.errors import BadConfig
from phenostream.engine.signature import PublicKey

MOST_KEY_BYTES: Final = 4096
"""Of a key file; one of ours has 113 or 119."""
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KEY: Final = "model.trusted_keys"


def read_trusted_keys(paths: Sequence[Path]) -> tuple[PublicKey, ...]:
    """The keys of some files, each under its file's name without the ending.

    Raises:
        BadConfig: A file cannot be read, is writable by everybody or no Ed25519 public key; or two have one name.
    """
    keys: dict[str, PublicKey] = {}
    for path in paths:
        key = _read(path)
        if key.name in keys:
            raise BadConfig(f"{_KEY}: {path}: a second key called {key.name!r}, allowed one")
        keys[key.name] = key
    return tuple(keys.values())


def _read(path: Path) -> PublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    content = _content(path)
    if NAME.fullmatch(path.stem) is None:
        raise BadConfig(
            f"{_KEY}: {path}: a key is named by its file: 1 to 64 letters, digits, '.', '_' and '-'"
        )
    expected = "expected a public key of `phenostream keys signing`"
    if b"PRIVATE KEY" in content:
        raise BadConfig(f"{_KEY}: {path}: a secret key; {expected}, the .pub beside it")
    try:
        key = load_pem_public_key(content)
        if not isinstance(key, Ed25519PublicKey):
            kind = type(key).__name__.removesuffix("PublicKey")
            raise BadConfig(f"{_KEY}: {path}: a key for {kind}; {expected}, which is Ed25519")
        return PublicKey(key.public_bytes_raw(), path.stem)
    except (ValueError, UnsupportedAlgorithm) as err:
        raise BadConfig(f"{_KEY}: {path}: not a usable key file; {expected}") from err


def _content(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                raise BadConfig(f"{_KEY}: {path}: not a plain file")
            if mode & stat.S_IWOTH:
                raise BadConfig(
                    f"{_KEY}: {path}: mode {stat.S_IMODE(mode):04o} lets everybody write, allowed 0664 or stricter"
                )
            content = os.read(descriptor, MOST_KEY_BYTES + 1)
        finally:
            os.close(descriptor)
    except OSError as err:
        raise BadConfig(f"{_KEY}: {path}: {(err.strerror or str(err)).lower()}") from err
    if len(content) > MOST_KEY_BYTES:
        raise BadConfig(f"{_KEY}: {path}: longer than {MOST_KEY_BYTES} bytes")
    return content
