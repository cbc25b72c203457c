"""`keys signing` and `keys sign`: the secret is its owner's alone, and only a bundle that loads is signed."""

import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from phenostream.daemon.security.trusted_keys import read_trusted_keys
from phenostream.deploy.bundle_signing import make_signing_keys, sign_bundle
from phenostream.deploy.bundles import demo_bundle
from phenostream.deploy.cli.main import BAD_USAGE, main
from phenostream.engine.bundle import load_bundle
from phenostream.engine.errors import BadBundle, BadConfig


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    shutil.copytree(demo_bundle(), tmp_path / "bundle")
    return tmp_path / "bundle"


def test_what_the_secret_key_signs_the_public_file_lets_in(tmp_path: Path, bundle: Path) -> None:
    secret, public, key = make_signing_keys(tmp_path / "keys", "lab")
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert stat.S_IMODE(secret.parent.stat().st_mode) == 0o700
    assert sign_bundle(bundle, secret).raw == key.raw
    trusted = read_trusted_keys([public])
    assert load_bundle(bundle, trusted).signed_by == key
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "keys"]


def test_another_signature_takes_the_place_of_the_first(tmp_path: Path, bundle: Path) -> None:
    for name in ("first", "second"):
        secret, public, _ = make_signing_keys(tmp_path / "keys", name)
        sign_bundle(bundle, secret)
        assert load_bundle(bundle, read_trusted_keys([public]))


def test_a_key_is_never_overwritten_and_has_a_proper_name(tmp_path: Path) -> None:
    secret, _, _ = make_signing_keys(tmp_path, "lab")
    before = secret.read_bytes()
    with pytest.raises(BadConfig, match=r"lab\.pub: there already; a key is never"):
        make_signing_keys(tmp_path, "lab")
    assert secret.read_bytes() == before
    (tmp_path / "lab.pub").unlink()
    with pytest.raises(BadConfig, match=r"lab\.key: there already"):
        make_signing_keys(tmp_path, "lab")
    assert secret.read_bytes() == before
    with pytest.raises(BadConfig, match=r"^--name '\.\./lab': allowed"):
        make_signing_keys(tmp_path, "../lab")


@pytest.mark.parametrize("name", ["model.onnx", "manifest.json", "golden.npz", "manifest.sig"])
def test_a_bundle_that_does_not_load_is_not_signed(tmp_path: Path, bundle: Path, name: str) -> None:
    secret, _, _ = make_signing_keys(tmp_path / "keys", "lab")
    (bundle / name).write_bytes(b"altered")
    with pytest.raises(BadBundle):
        sign_bundle(bundle, secret)
    assert (bundle / name).read_bytes() == b"altered"
    assert (bundle / "manifest.sig").exists() == (name == "manifest.sig")


def with_passphrase(path: Path) -> None:
    locked = serialization.BestAvailableEncryption(b"x")
    key = Ed25519PrivateKey.generate()
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
    )


def of_a_curve(path: Path) -> None:
    path.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


REFUSED: dict[str, tuple[Callable[[Path], object], int, str]] = {
    "readable by others": (lambda p: None, 0o640, "mode 0640 lets others at a secret"),
    "public": (lambda p: shutil.copy(p.with_suffix(".pub"), p), 0o600, "not a usable key file"),
    "garbage": (lambda p: p.write_bytes(b"\x00" * 100), 0o600, "not a usable key file"),
    "large": (lambda p: p.write_bytes(b"-" * 20000), 0o600, "longer than 16384 bytes"),
    "passphrase": (with_passphrase, 0o600, "needs a passphrase"),
    "other algorithm": (of_a_curve, 0o600, "a key for .* Ed25519"),
    "not there": (lambda p: p.unlink(), 0, "no such file"),
}


@pytest.mark.parametrize(("change", "mode", "says"), REFUSED.values(), ids=REFUSED)
def test_a_secret_that_is_none_or_not_secret_signs_nothing(
    tmp_path: Path, bundle: Path, change: Callable[[Path], object], mode: int, says: str
) -> None:
    secret, _, _ = make_signing_keys(tmp_path / "keys", "lab")
    change(secret)
    if mode:
        secret.chmod(mode)
    with pytest.raises(BadConfig, match=rf"^{secret}: {says}") as caught:
        sign_bundle(bundle, secret)
    assert "\n" not in str(caught.value)
    assert not (bundle / "manifest.sig").exists()


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BadConfig, match=r"file/keys: not a directory$"):
        make_signing_keys(tmp_path / "file" / "keys", "lab")


def test_a_daemon_that_trusts_keys_ends_with_one_line_about_an_unsigned_bundle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, public, key = make_signing_keys(tmp_path / "keys", "lab")
    config = tmp_path / "daemon.toml"
    config.write_text(
        '[ingest]\nendpoint = "ipc://i"\n[results]\nendpoint = "ipc://r"\n'
        '[control]\nendpoint = "ipc://c"\n[journal]\ndirectory = "journal"\n'
        f'[model]\nbundle = "demo"\ntrusted_keys = "{public}"\n'
    )
    for command in ("run", "check"):
        assert main([command, "--config", str(config)]) == BAD_USAGE
        err = capsys.readouterr().err.splitlines()
        assert err[-1] == (
            f"phenostream {command}: {demo_bundle()}: is not signed, trusted are {key}"
        )
