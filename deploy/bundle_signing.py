"""Making a pair of signing keys, and signing a bundle with the secret one.

The secret key belongs to whoever releases models and to no box that serves them: a daemon needs the public file only.
Both are PEM (RFC 8410, PKCS #8), which other tools read too.
"""

import contextlib
import os
import tempfile
from pathlib import Path

from phenostream.daemon.security.secret_file import read_secret, write_new, write_secret
from phenostream.daemon.security.trusted_keys import NAME
from phenostream.engine.bundle import load_bundle
from phenostream.engine.errors import BadConfig, BadInput
from phenostream.engine.signature import SIGNATURE, PublicKey, signature_of, signer


def make_signing_keys(directory: Path, name: str) -> tuple[Path, Path, PublicKey]:
    """Write NAME.key, for its owner alone, and NAME.pub, to be handed over.

    Args:
        directory: Made, closed to others, if it is not there.
        name: What the key is called wherever it is trusted.

    Returns:
        The secret file, the public file, and the public key.

    Raises:
        BadConfig: The name is none, or a file of that name is there: a key is never overwritten.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if NAME.fullmatch(name) is None:
        raise BadConfig(f"--name {name!r:.80}: allowed 1 to 64 letters, digits, '.', '_' and '-'")
    secret, public = directory / f"{name}.key", directory / f"{name}.pub"
    if public.exists():
        raise BadConfig(f"{public}: there already; a key is never overwritten")
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public_pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as err:
        raise BadConfig(f"{directory}: {(err.strerror or str(err)).lower()}") from err
    write_secret(secret, pem)
    write_new(public, public_pem, 0o644)
    return secret, public, PublicKey(key.public_key().public_bytes_raw(), name)


def sign_bundle(bundle: Path, key: Path) -> PublicKey:
    """Sign a bundle that loads; an earlier signature is replaced, whole or not at all.

    Args:
        bundle: Its folder.
        key: File of the secret key.

    Returns:
        The key it is signed by now.

    Raises:
        BadBundle: The bundle does not load; it may be signed already, but not wrongly.
        BadConfig: The key file is refused.
        BadInput: The signature cannot be written.
    """
    secret = _secret_key(key)
    content = signature_of(load_bundle(bundle).text, secret)
    _replace(bundle.resolve(), content)
    return signer(load_bundle(bundle).text, content)


def _secret_key(path: Path) -> bytes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    expected = "expected a secret key of `phenostream keys signing`"
    content = read_secret(path)
    try:
        key = load_pem_private_key(content, password=None)
    except TypeError as err:
        raise BadConfig(f"{path}: needs a passphrase; {expected}, which has none") from err
    except (ValueError, UnsupportedAlgorithm) as err:
        raise BadConfig(f"{path}: not a usable key file; {expected}") from err
    if not isinstance(key, Ed25519PrivateKey):
        kind = type(key).__name__.removesuffix("PrivateKey")
        raise BadConfig(f"{path}: a key for {kind}; {expected}, which is Ed25519")
    return key.private_bytes_raw()


def _replace(bundle: Path, content: bytes) -> None:
    """Write beside the bundle and move in: a daemon that starts meanwhile sees the old signature or the new one."""
    path, scratch = bundle / SIGNATURE, None
    try:
        descriptor, scratch = tempfile.mkstemp(prefix=".signing-", dir=bundle.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(descriptor, 0o644)
            file.flush()
            os.fsync(descriptor)
        os.replace(scratch, path)
    except OSError as err:
        if scratch is not None:
            with contextlib.suppress(OSError):
                os.unlink(scratch)
        raise BadInput(f"{path}: cannot be written ({(err.strerror or str(err)).lower()})") from err
    folder = os.open(bundle, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
