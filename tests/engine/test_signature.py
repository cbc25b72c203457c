"""A bundle's signature is of the exact bytes of one manifest by one key; whatever else there is, is refused."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from phenostream.engine.backends import registry
from phenostream.engine.bundle import load_bundle
from phenostream.engine.errors import BadBundle
from phenostream.engine.manifest import sealed
from phenostream.engine.signature import (
    SIGNATURE_BYTES,
    PublicKey,
    signature_of,
    signer,
    trusted_signer,
)

DEMO = Path(__file__).parents[2] / "deploy" / "demo_bundle"
SECRET, OTHER = bytes(range(32)), bytes(range(1, 33))
MANIFEST = b'{"a": 1}'
_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493


def public(secret: bytes, name: str = "") -> PublicKey:
    return PublicKey(signer(MANIFEST, signature_of(MANIFEST, secret)).raw, name)


def test_the_signer_of_a_manifest_is_known_by_its_key() -> None:
    content = signature_of(MANIFEST, SECRET)
    assert len(content) == SIGNATURE_BYTES
    key = signer(MANIFEST, content)
    # What `openssl pkey -pubout` makes of the secret 00 01 02 .. 1f.
    assert key.raw.hex() == "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
    assert key.fingerprint == hashlib.sha256(key.raw).hexdigest()[:16]
    assert str(key) == key.fingerprint
    assert str(PublicKey(key.raw, "lab")) == f"lab ({key.fingerprint})"


def test_a_signature_with_any_byte_changed_is_refused() -> None:
    content = signature_of(MANIFEST, SECRET)
    for place in range(len(content)):
        for bits in (0x01, 0x20, 0x80):  # 0x20: the case of a letter
            altered = bytearray(content)
            altered[place] ^= bits
            with pytest.raises(BadBundle, match=r"^manifest\.sig: [^\n]+$"):
                signer(MANIFEST, bytes(altered))


def test_a_manifest_with_any_byte_changed_is_not_what_was_signed() -> None:
    manifest = (DEMO / "manifest.json").read_bytes()
    content = signature_of(manifest, SECRET)
    for place in range(len(manifest)):
        altered = bytearray(manifest)
        altered[place] ^= 1
        with pytest.raises(BadBundle, match="was altered, or belongs to another bundle"):
            signer(bytes(altered), content)


def relabelled() -> bytes:
    """Made by one key, said to be another's."""
    lines = signature_of(MANIFEST, OTHER).splitlines(keepends=True)
    lines[1] = signature_of(MANIFEST, SECRET).splitlines(keepends=True)[1]
    return b"".join(lines)


def not_canonical() -> bytes:
    """The same signature with S + L for S, which a careless verifier takes too (RFC 8032, 5.1.7)."""
    head, _, tail = signature_of(MANIFEST, SECRET).rpartition(b"ed25519 ")
    whole = bytes.fromhex(tail.decode().strip())
    s = int.from_bytes(whole[32:], "little") + _L
    return head + b"ed25519 " + (whole[:32] + s.to_bytes(32, "little")).hex().encode() + b"\n"


def of_the_bare_bytes() -> bytes:
    """As some other use of the same key would sign them."""
    head, _, _ = signature_of(MANIFEST, SECRET).rpartition(b"ed25519 ")
    signed = Ed25519PrivateKey.from_private_bytes(SECRET).sign(MANIFEST)
    return head + f"ed25519 {signed.hex()}\n".encode()


def of_a_key(raw: bytes) -> bytes:
    return f"phenostream bundle signature 1\nkey {raw.hex()}\ned25519 {'0' * 128}\n".encode()


SIGNED = signature_of(MANIFEST, SECRET)
REFUSED = {
    "nothing": (b"", "no signature"),
    "cut short": (SIGNED[:-1], "no signature"),
    "longer": (SIGNED + b"\n", "no signature"),
    "upper case": (SIGNED.upper(), "no signature"),
    "other line ends": (SIGNED.replace(b"\n", b"\r\n"), "no signature"),
    "other version": (SIGNED.replace(b"signature 1", b"signature 2"), "no signature"),
    "relabelled": (relabelled(), "is not the signature"),
    "of another bundle": (signature_of(b'{"a": 2}', SECRET), "is not the signature"),
    "of the bare bytes": (of_the_bare_bytes(), "is not the signature"),
    "not canonical": (not_canonical(), "is not the signature"),
    "key of order 1": (of_a_key((1).to_bytes(32, "little")), "weak or malformed"),
    "key of order 4": (of_a_key(bytes(32)), "weak or malformed"),
    "key beyond the field": (of_a_key((_P + 3).to_bytes(32, "little")), "weak or malformed"),
    "key off the curve": (of_a_key((2).to_bytes(32, "little")), "is not the signature"),
}


@pytest.mark.parametrize(("content", "says"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_signature_of_this_manifest_is_refused_in_one_line(
    content: bytes, says: str
) -> None:
    with pytest.raises(BadBundle, match=rf"^manifest\.sig: .*{says}") as caught:
        signer(MANIFEST, content)
    assert "\n" not in str(caught.value)


def test_the_signer_must_be_one_of_the_trusted_and_has_its_name_there() -> None:
    a, b = public(SECRET, "a"), public(OTHER, "b")
    assert trusted_signer(public(OTHER), (a, b)) is b
    with pytest.raises(BadBundle) as caught:
        trusted_signer(public(OTHER), (a,))
    assert str(caught.value) == (
        f"is signed by key {b.fingerprint}, trusted are a ({a.fingerprint})"
    )
    with pytest.raises(BadBundle, match=r"^is not signed, trusted are a \(\w+\), b \(\w+\)$"):
        trusted_signer(None, (a, b))


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    shutil.copytree(DEMO, folder)
    content = signature_of((folder / "manifest.json").read_bytes(), SECRET)
    (folder / "manifest.sig").write_bytes(content)
    return folder


def test_signing_does_not_change_which_model_it_is(signed: Path) -> None:
    plain, bundle = load_bundle(DEMO), load_bundle(signed, (public(SECRET, "lab"),))
    assert bundle.sha256 == plain.sha256
    assert (bundle.signed_by, plain.signed_by) == (public(SECRET, "lab"), None)
    told_of_nobody = load_bundle(signed).signed_by
    assert told_of_nobody is not None
    assert told_of_nobody.name == ""


def test_an_unsigned_bundle_is_refused_before_anything_of_it_is_parsed(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "manifest.json").write_bytes(b"not JSON")
    with pytest.raises(BadBundle) as caught:
        load_bundle(folder, (public(SECRET, "lab"),))
    assert str(caught.value) == (f"{folder}: is not signed, trusted are {public(SECRET, 'lab')}")


def test_a_signature_that_does_not_hold_is_refused_also_where_none_is_wanted(signed: Path) -> None:
    (signed / "manifest.sig").write_bytes(signature_of(b"{}", SECRET))
    with pytest.raises(BadBundle, match="is not the signature of this"):
        load_bundle(signed)


def test_a_manifest_cannot_list_its_own_signature(signed: Path) -> None:
    values = json.loads((signed / "manifest.json").read_bytes())
    values["files"]["manifest.sig"] = {"sha256": "0" * 64, "size": SIGNATURE_BYTES}
    text = json.dumps(sealed(values)).encode()
    (signed / "manifest.json").write_bytes(text)
    (signed / "manifest.sig").write_bytes(signature_of(text, SECRET))
    with pytest.raises(BadBundle, match=r"files: lists manifest\.sig$"):
        load_bundle(signed)


@pytest.mark.parametrize("name", ["golden.npz", "manifest.json", "model.fp16.onnx", "model.onnx"])
def test_a_byte_changed_in_any_region_of_any_file_reaches_no_runtime(
    signed: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """64 places spread over each file, and both ends."""

    def entered(*_: object) -> None:
        raise AssertionError("a runtime was entered")

    for row in registry.BACKENDS:
        monkeypatch.setitem(registry.BACKENDS, row, entered)
    whole = (signed / name).read_bytes()
    places = sorted({*range(0, len(whole), len(whole) // 64), len(whole) - 1})
    for place in places:
        with (signed / name).open("r+b") as file:
            file.seek(place)
            file.write(bytes([whole[place] ^ 0x10]))
        with pytest.raises(BadBundle):
            registry.open_backend(load_bundle(signed, (public(SECRET, "lab"),)))
        with (signed / name).open("r+b") as file:
            file.seek(place)
            file.write(whole[place : place + 1])
    load_bundle(signed, (public(SECRET, "lab"),))


def test_an_unsigned_bundle_is_loaded_without_the_library() -> None:
    code = (
        "import sys; from pathlib import Path; from phenostream.engine.bundle import load_bundle\n"
        f"load_bundle(Path({str(DEMO)!r})); sys.exit('cryptography' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], timeout=50, check=False)
    assert done.returncode == 0
