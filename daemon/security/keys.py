"""CURVE keys: the daemon's pair, a client's pair with the daemon's public key, and the files they are kept in.

The daemon's folder holds ``server.key`` (secret), ``server.pub`` and ``allowed/``; a client's holds ``client.key``
(secret) and ``server.pub``. A file has lines ``public-key = "..."`` and, where it is a secret, ``secret-key = "..."``,
each key 40 characters of Z85: both TOML and what ``zmq.auth`` and czmq read. Keys guard tcp only: an ipc socket is
guarded by the mode of its folder.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import zmq

from phenostream.daemon.security.secret_file import (
    LONGEST_BYTES,
    read_secret,
    secret_path,
    write_new,
    write_secret,
)
from phenostream.daemon.socket_options import Socket
from phenostream.engine.errors import BadConfig

SERVER_PAIR: Final = "server.key"
SERVER_PUBLIC: Final = "server.pub"
CLIENT_PAIR: Final = "client.key"
_PUBLIC_MODE: Final = 0o644
_LINE: Final = re.compile(
    rb"^[ \t]*(public|secret)-key[ \t]*=[ \t]*[\"']([^\"'\r\n]*)[\"'][ \t]*\r?$", re.M
)
_Z85: Final = re.compile(rb"[0-9A-Za-z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A CURVE pair, in Z85; the secret half is never shown."""

    public: bytes
    secret: bytes = field(repr=False)

    @classmethod
    def new(cls) -> Self:
        """A fresh pair from libsodium's generator."""
        return cls(*zmq.curve_keypair())

    @classmethod
    def read(cls, directory: Path, name: str) -> Self:
        """The pair in a secret file of the folder, or in the systemd credential of that name.

        Raises:
            BadConfig: See `read_secret`; or it holds no pair that belongs together.
        """
        path = secret_path(directory, name)
        found = _parsed(read_secret(path))
        public, secret = found.get("public"), found.get("secret")
        if public is None or secret is None:
            raise BadConfig(f"{path}: allowed a file with a public-key and a secret-key")
        if zmq.curve_public(secret) != public:
            raise BadConfig(f"{path}: its public-key is not that of its secret-key")
        return cls(public, secret)

    def write(self, path: Path) -> None:
        """Write the secret file.

        Raises:
            BadConfig: It is there already, or cannot be made.
        """
        write_secret(path, _text(self.public, self.secret))


@dataclass(frozen=True, slots=True)
class ClientKeys:
    """What a client needs to be let in by a daemon on tcp, and to know that it is the right one."""

    pair: KeyPair
    server: bytes

    @classmethod
    def read(cls, directory: Path) -> Self:
        """From a folder that `phenostream keys client` made, or the systemd credentials of the same names.

        Raises:
            BadConfig: A file is missing, open to others, or holds no key.
        """
        pair = KeyPair.read(directory, CLIENT_PAIR)
        return cls(pair, read_public(secret_path(directory, SERVER_PUBLIC)))

    def set_on(self, socket: Socket) -> None:
        """Make a socket that is not connected speak CURVE."""
        socket.setsockopt(zmq.CURVE_SERVERKEY, self.server)
        socket.setsockopt(zmq.CURVE_PUBLICKEY, self.pair.public)
        socket.setsockopt(zmq.CURVE_SECRETKEY, self.pair.secret)


def read_public(path: Path) -> bytes:
    """The public key of a file.

    Raises:
        BadConfig: It cannot be read, or holds no public key.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST_BYTES)
    except OSError as err:
        raise BadConfig(f"{path}: {(err.strerror or str(err)).lower()}") from err
    public = _parsed(content).get("public")
    if public is None:
        raise BadConfig(f'{path}: allowed a file with a line public-key = "...", 40 characters')
    return public


def write_public(path: Path, public: bytes) -> None:
    """Write a file with a public key.

    Raises:
        BadConfig: It is there already, or cannot be made.
    """
    write_new(path, _text(public), _PUBLIC_MODE)


def _text(public: bytes, secret: bytes | None = None) -> bytes:
    hidden = b"" if secret is None else b'secret-key = "%s"\n' % secret
    return b'# A phenostream key (CURVE).\n[curve]\npublic-key = "%s"\n%s' % (public, hidden)


def _parsed(content: bytes) -> dict[str, bytes]:
    """The well-formed keys of a file, by kind."""
    return {
        kind.decode(): key
        for kind, key in _LINE.findall(content)
        if _Z85.fullmatch(key) is not None
    }
