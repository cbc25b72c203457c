"""The key of the engine cache is made once, kept to ourselves, and may be a systemd credential."""

from pathlib import Path

import pytest

from phenostream.daemon import engine_cache
from phenostream.daemon.engine_cache import opened_cache
from phenostream.daemon.model import served_model
from phenostream.daemon.model_config import ModelConfig
from phenostream.daemon.security.secret_file import write_secret
from phenostream.deploy.bundles import demo_bundle
from phenostream.engine.errors import BadConfig

FACTS = {"model": "m"}


def test_the_key_of_the_first_start_is_that_of_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "engines"
    first = opened_cache(folder)
    assert first is not None
    first.put(FACTS, (b"part",))
    assert (tmp_path / "deep" / "engines.key").stat().st_mode & 0o777 == 0o600
    second = opened_cache(folder)
    assert second is not None
    assert second.get(FACTS) == (b"part",)
    assert opened_cache(None) is None


def test_of_two_that_start_at_once_both_take_the_key_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def second(path: Path, content: bytes) -> None:
        write_secret(path, bytes(range(32)))  # the other one, a moment before
        write_secret(path, content)

    monkeypatch.setattr(engine_cache, "write_secret", second)
    cache = opened_cache(tmp_path / "engines")
    assert cache is not None
    assert cache.key == bytes(range(32))


def test_a_credential_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "granted").mkdir()
    (tmp_path / "granted" / "engines.key").write_bytes(bytes(32))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "granted"))
    cache = opened_cache(tmp_path / "engines")
    assert cache is not None
    assert cache.key == bytes(32)
    assert not (tmp_path / "engines.key").exists()


@pytest.mark.parametrize(
    ("content", "mode", "says"),
    [
        (bytes(31), 0o600, "31 bytes, expected a key of 32"),
        (bytes(32), 0o644, "mode 0644 lets others at a secret"),
        (bytes(20_000), 0o600, "longer than 16384 bytes"),
    ],
)
def test_a_key_that_is_none_or_not_secret_is_refused(
    tmp_path: Path, content: bytes, mode: int, says: str
) -> None:
    (tmp_path / "engines.key").write_bytes(content)
    (tmp_path / "engines.key").chmod(mode)
    with pytest.raises(BadConfig, match=rf"^model\.engine_cache: .*engines\.key: {says}"):
        opened_cache(tmp_path / "engines")


def test_a_daemon_keeps_what_it_compiled(tmp_path: Path) -> None:
    config = ModelConfig(
        bundle=str(demo_bundle()),
        backend="openvino",
        streams=1,
        max_batch=4,
        measure=False,
        engine_cache=tmp_path / "engines",
    )
    for _ in range(2):
        with served_model(config):
            pass
        assert len(list((tmp_path / "engines").glob("*.engine"))) == 1


@pytest.mark.parametrize(
    ("mode", "says"), [(0o777, "mode 0777, allowed 0700 or stricter"), (None, "not a directory")]
)
def test_a_folder_that_cannot_be_a_cache_is_refused_before_a_slower_backend_serves(
    tmp_path: Path, mode: int | None, says: str
) -> None:
    folder = tmp_path / "engines"
    if mode is None:
        folder.write_bytes(b"")
    else:
        folder.mkdir()
        folder.chmod(mode)
    with pytest.raises(BadConfig, match=rf"^model\.engine_cache: .*engines: {says}"):
        opened_cache(folder)
