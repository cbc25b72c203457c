"""A key file is a small, regular PEM file of an Ed25519 public key; anything else is one line that says what it is."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from phenostream.daemon.security.trusted_keys import MOST_KEY_BYTES, read_trusted_keys
from phenostream.engine.errors import BadConfig

PUBLIC = Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key()


def pem(key: Ed25519PublicKey | rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def secret_pem() -> bytes:
    return Ed25519PrivateKey.from_private_bytes(bytes(range(32))).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_a_key_is_named_by_its_file(tmp_path: Path) -> None:
    (key,) = read_trusted_keys([written(tmp_path / "lab.pub", pem(PUBLIC))])
    assert (key.raw, key.name) == (PUBLIC.public_bytes_raw(), "lab")


def world_writable(path: Path) -> None:
    path.write_bytes(pem(PUBLIC))
    path.chmod(0o666)


RSA = rsa.generate_private_key(65537, 2048).public_key()
EC = ec.generate_private_key(ec.SECP256R1()).public_key()
WEAK = Ed25519PublicKey.from_public_bytes(bytes(32))
REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "not there": (lambda p: None, "no such file"),
    "a folder": (lambda p: p.mkdir(), "not a plain file"),
    "a pipe": (os.mkfifo, "not a plain file"),
    "empty": (lambda p: p.write_bytes(b""), "not a usable key file"),
    "garbage": (lambda p: p.write_bytes(os.urandom(200)), "not a usable key file"),
    "cut short": (lambda p: p.write_bytes(pem(PUBLIC)[:60]), "not a usable key file"),
    "raw": (lambda p: p.write_bytes(PUBLIC.public_bytes_raw()), "not a usable key file"),
    "secret": (lambda p: p.write_bytes(secret_pem()), "a secret key; .* the .pub beside it"),
    "RSA": (lambda p: p.write_bytes(pem(RSA)), "a key for RSA; .* Ed25519"),
    "curve": (lambda p: p.write_bytes(pem(EC)), "a key for .*; .* Ed25519"),
    "weak": (lambda p: p.write_bytes(pem(WEAK)), "not a usable key file"),
    "large": (
        lambda p: p.write_bytes(pem(PUBLIC) + b"#" * MOST_KEY_BYTES),
        f"longer than {MOST_KEY_BYTES} bytes",
    ),
    "open to all": (world_writable, "mode 0666 lets everybody write, allowed 0664"),
}


@pytest.mark.parametrize(("make", "says"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_public_key_is_refused_in_one_line(
    tmp_path: Path, make: Callable[[Path], object], says: str
) -> None:
    path = tmp_path / "lab.pub"
    make(path)
    with pytest.raises(BadConfig, match=rf"^model\.trusted_keys: {path}: {says}") as caught:
        read_trusted_keys([path])
    assert "\n" not in str(caught.value)


def test_two_keys_of_one_name_and_a_name_that_is_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    first = written(tmp_path / "lab.pub", pem(PUBLIC))
    second = written(tmp_path / "other" / "lab.pub", pem(PUBLIC))
    with pytest.raises(BadConfig, match="a second key called 'lab'"):
        read_trusted_keys([first, second])
    with pytest.raises(BadConfig, match="a key is named by its file"):
        read_trusted_keys([written(tmp_path / "a b.pub", pem(PUBLIC))])
