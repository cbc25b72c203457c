"""Who vouches for a bundle: an Ed25519 signature (RFC 8032) over the exact bytes of its manifest.

`manifest.sig` is three lines: what it is, the public key, the signature. There is one way to write it, so that a file
with any byte changed is another key, another signature or no signature at all. It holds no name: what a key is called
is said by whoever trusts it. Knows bytes; opens no file. The library is imported with the first signature.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from phenostream.engine.errors import BadBundle

SIGNATURE: Final = "manifest.sig"
"""Name of the file beside `manifest.json`."""
KEY_BYTES: Final = 32
"""Of a public key, and of a secret one."""
_FORM: Final = re.compile(
    rb"phenostream bundle signature 1\nkey ([0-9a-f]{64})\ned25519 ([0-9a-f]{128})\n"
)
SIGNATURE_BYTES: Final = len(b"phenostream bundle signature 1\nkey \ned25519 \n") + 64 + 128
_SIGNED_AS: Final = b"phenostream bundle 1\0"
"""Goes before the manifest, so that a signature made for anything else is never one of a bundle."""

_P: Final = 2**255 - 19
_TORSION: Final = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_WEAK: Final = frozenset({0, 1, _P - 1, _TORSION, _P - _TORSION})
"""y of the eight points of small order: signatures of such a "key" can be made by anybody."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that can be recognised in a signature.

    Attributes:
        raw: 32 bytes.
        name: What this site calls it; empty where the site was not told of it.
    """

    raw: bytes
    name: str = ""

    def __post_init__(self) -> None:
        y = int.from_bytes(self.raw, "little") & ~(1 << 255)
        if len(self.raw) != KEY_BYTES or y >= _P or y in _WEAK:
            raise ValueError("a weak or malformed Ed25519 key")

    @property
    def fingerprint(self) -> str:
        """First 16 digits of the SHA-256 of the 32 bytes."""
        return hashlib.sha256(self.raw).hexdigest()[:16]

    def __str__(self) -> str:
        return f"{self.name} ({self.fingerprint})" if self.name else self.fingerprint


def signer(manifest: bytes, signature: bytes) -> PublicKey:
    """The key, without a name, that signed exactly this manifest.

    Raises:
        BadBundle: The file is no signature, or not one of this manifest by the key it names.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    match = _FORM.fullmatch(signature)
    if match is None:
        raise BadBundle(
            f"{SIGNATURE}: {len(signature)} bytes that are no signature of `phenostream keys sign`"
        )
    try:
        key = PublicKey(bytes.fromhex(match[1].decode()))
        Ed25519PublicKey.from_public_bytes(key.raw).verify(
            bytes.fromhex(match[2].decode()), _SIGNED_AS + manifest
        )
    except ValueError as err:
        raise BadBundle(f"{SIGNATURE}: names {err}") from err
    except InvalidSignature as err:
        raise BadBundle(
            f"{SIGNATURE}: is not the signature of this manifest.json by key {key.fingerprint}: "
            "one of the two was altered, or belongs to another bundle"
        ) from err
    return key


def signature_of(manifest: bytes, secret: bytes) -> bytes:
    """Content of `manifest.sig` for a manifest.

    Args:
        manifest: The exact bytes of the file.
        secret: 32 bytes of a secret key.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.from_private_bytes(secret)
    public = key.public_key().public_bytes_raw().hex()
    signed = key.sign(_SIGNED_AS + manifest).hex()
    return f"phenostream bundle signature 1\nkey {public}\ned25519 {signed}\n".encode()


def trusted_signer(key: PublicKey | None, trusted: Sequence[PublicKey]) -> PublicKey:
    """The trusted key that is the signer, with the name it is trusted under.

    Raises:
        BadBundle: There is no signer, or it is another; naming the signer and who is trusted.
    """
    for one in trusted:
        if key is not None and one.raw == key.raw:
            return one
    found = "is not signed" if key is None else f"is signed by key {key}"
    raise BadBundle(f"{found}, trusted are {', '.join(map(str, trusted))}")
