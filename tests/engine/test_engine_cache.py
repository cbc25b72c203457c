"""Only what was put under the same facts and the same key comes back; all else is as if there were nothing."""

import errno
import fcntl
import io
import logging
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenostream.engine import engine_cache
from phenostream.engine.backends.openvino import backend as openvino_backend
from phenostream.engine.backends.openvino.compiling import compile_model
from phenostream.engine.backends.registry import open_backend
from phenostream.engine.bundle import load_bundle
from phenostream.engine.engine_cache import MOST_ENTRIES, EngineCache
from phenostream.engine.errors import BadConfig, EngineFault
from phenostream.engine.types import OUTPUT_SHAPES

DEMO = Path(__file__).parents[2] / "deploy" / "demo_bundle"
KEY = bytes(range(32))
FACTS: dict[str, str | int] = {"model": "a" * 64, "library": "openvino 1", "streams": 2}
PARTS = (b"first", b"", b"second" * 100)


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path / "cache", KEY)


def entry(cache: EngineCache) -> Path:
    (path,) = cache.directory.iterdir()
    return path


def test_parts_come_back_as_they_were(cache: EngineCache) -> None:
    assert cache.get(FACTS) is None
    cache.put(FACTS, PARTS)
    assert cache.get(dict(reversed(FACTS.items()))) == PARTS
    assert cache.directory.stat().st_mode & 0o777 == 0o700
    assert entry(cache).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("key", FACTS)
def test_other_facts_are_another_entry(cache: EngineCache, key: str) -> None:
    cache.put(FACTS, PARTS)
    assert cache.get(FACTS | {key: "other"}) is None
    assert cache.get(FACTS) == PARTS


def test_any_byte_changed_cut_or_added_removes_the_entry(cache: EngineCache) -> None:
    cache.put(FACTS, PARTS)
    whole = entry(cache).read_bytes()
    altered = [
        whole[:place] + bytes([byte ^ 1]) + whole[place + 1 :] for place, byte in enumerate(whole)
    ]
    for content in (*altered, whole[:-1], whole + b"\0", whole[:31], b""):
        (cache.directory / "x").write_bytes(content)
        name = next(path.name for path in cache.directory.iterdir() if path.name != "x")
        os.replace(cache.directory / "x", cache.directory / name)
        assert cache.get(FACTS) is None
        assert list(cache.directory.iterdir()) == []
        cache.put(FACTS, PARTS)


def test_an_entry_under_another_name_or_key_is_not_believed(
    cache: EngineCache, caplog: pytest.LogCaptureFixture
) -> None:
    cache.put(FACTS, PARTS)
    first = entry(cache)
    content = first.read_bytes()
    other = FACTS | {"streams": 3}
    cache.put(other, (b"third",))
    second = next(path for path in cache.directory.iterdir() if path != first)
    second.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert cache.get(other) is None
    assert "not what this daemon wrote; removed" in caplog.text
    assert EngineCache(cache.directory, KEY[::-1]).get(FACTS) is None
    assert not first.exists()


def test_a_link_in_the_place_of_an_entry_is_not_followed(
    cache: EngineCache, tmp_path: Path
) -> None:
    cache.put(FACTS, PARTS)
    path = entry(cache)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert cache.get(FACTS) is None


def test_a_folder_that_is_open_to_others_or_a_link_is_refused(
    cache: EngineCache, tmp_path: Path
) -> None:
    cache.put(FACTS, PARTS)
    cache.directory.chmod(0o750)
    with pytest.raises(BadConfig, match=r"^engine cache: .*cache: mode 0750, allowed 0700"):
        cache.get(FACTS)
    cache.directory.chmod(0o700)
    (tmp_path / "link").symlink_to(cache.directory)
    with pytest.raises(BadConfig, match=r"^engine cache: .*link: "):
        EngineCache(tmp_path / "link", KEY).get(FACTS)
    with pytest.raises(BadConfig, match="a key of 3 bytes, expected 32"):
        EngineCache(tmp_path, b"abc")


def test_a_folder_of_somebody_else_is_refused(
    cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.put(FACTS, PARTS)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(BadConfig, match=r"belongs to user \d+, allowed 12345"):
        cache.get(FACTS)


def test_a_disk_that_refuses_costs_only_the_entry(
    cache: EngineCache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        cache.put(FACTS, PARTS)
    assert "not kept: No space left on device" in caplog.text
    assert list(cache.directory.iterdir()) == []
    assert cache.get(FACTS) is None


def test_a_disk_that_cannot_read_an_entry_is_as_if_there_were_none(
    cache: EngineCache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(io.BytesIO):
        def read(self, *_: object) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

    def broken(descriptor: int, mode: str) -> Broken:
        closing.append(descriptor)
        return Broken()

    closing: list[int] = []
    cache.put(FACTS, PARTS)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdopen", broken)
        assert cache.get(FACTS) is None
    os.close(closing[0])
    assert "cannot be read: Input/output error" in caplog.text
    assert cache.get(FACTS) == PARTS


def test_old_entries_give_way(cache: EngineCache) -> None:
    for number in range(MOST_ENTRIES + 3):
        cache.put(FACTS | {"streams": number}, PARTS)
    assert len(list(cache.directory.iterdir())) == MOST_ENTRIES
    assert cache.get(FACTS | {"streams": MOST_ENTRIES + 2}) == PARTS
    assert cache.get(FACTS | {"streams": 0}) is None


def test_an_entry_that_is_used_outlives_one_that_is_not(cache: EngineCache) -> None:
    for number in range(MOST_ENTRIES):
        cache.put(FACTS | {"streams": number}, PARTS)
        for path in cache.directory.glob("*.engine"):  # an old file system's clock may be coarse
            stamp = path.stat().st_mtime_ns - 10**9
            os.utime(path, ns=(stamp, stamp))
    assert cache.get(FACTS | {"streams": 0}) == PARTS
    cache.put(FACTS | {"streams": MOST_ENTRIES}, PARTS)
    assert cache.get(FACTS | {"streams": 0}) == PARTS
    assert cache.get(FACTS | {"streams": 1}) is None


def test_what_a_killed_writer_left_is_swept_and_what_is_being_written_is_not(
    cache: EngineCache,
) -> None:
    cache.check()
    left, held = cache.directory / ".a.partial", cache.directory / ".b.partial"
    left.write_bytes(b"half")
    with held.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        cache.put(FACTS, PARTS)
        assert (left.exists(), held.exists()) == (False, True)
    cache.put(FACTS, PARTS)
    assert not held.exists()


def test_whoever_must_keep_an_entry_is_told_where_the_disk_refuses(
    cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(EngineFault, match=r"\.engine: not kept: No space left on device$"):
        cache.keep(FACTS, PARTS)
    monkeypatch.setattr(engine_cache, "MOST_ENTRY_BYTES", 100)
    with pytest.raises(EngineFault, match=r"not kept: \d+ bytes, allowed 100$"):
        cache.keep(FACTS, PARTS)
    assert list(cache.directory.iterdir()) == []


def test_one_at_a_time_is_alone_with_the_folder(cache: EngineCache) -> None:
    waited, order = threading.Event(), []

    def second() -> None:
        with cache.alone(waited.set):
            order.append("second")

    other = threading.Thread(target=second)
    with cache.alone():
        other.start()
        assert waited.wait(30)
        order.append("first")
    other.join(30)
    assert order == ["first", "second"]
    told: list[int] = []
    with cache.alone(lambda: told.append(1)):
        assert told == []


def test_a_folder_without_locks_is_told_and_used(
    cache: EngineCache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def without(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", without)
    with caplog.at_level(logging.WARNING), cache.alone():
        cache.put(FACTS, PARTS)
    assert "no locks here: what is built may be built twice" in caplog.text
    assert cache.get(FACTS) == PARTS


def test_openvino_gives_the_same_bits_from_the_cache_and_compiles_no_more(
    cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = load_bundle(DEMO)
    compiled: list[int] = []
    true = compile_model

    def counted(*args: Any) -> Any:
        compiled.append(1)
        return true(*args)

    monkeypatch.setattr(openvino_backend, "compile_model", counted)
    images, background = bundle.golden.crops.images[:8], bundle.golden.crops.background[:8]
    said = []
    for _ in range(2):
        backend = open_backend(bundle, "openvino", streams=1, max_batch=8, cache=cache)
        said.append(backend.infer(images, background))
        backend.close()
    assert len(compiled) == 1
    for name in OUTPUT_SHAPES:
        np.testing.assert_array_equal(getattr(said[0], name), getattr(said[1], name))


@pytest.mark.parametrize("damage", ["altered", "not taken"])
def test_an_altered_engine_never_reaches_openvino_and_is_made_again(
    cache: EngineCache, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, imported = load_bundle(DEMO), []
    open_backend(bundle, "openvino", streams=1, max_batch=4, cache=cache).close()

    def spy(*_: object) -> object:
        imported.append(1)
        raise RuntimeError("not one of mine")

    monkeypatch.setattr(openvino_backend, "import_model", spy)
    before = entry(cache).read_bytes()
    if damage == "altered":
        entry(cache).write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    open_backend(bundle, "openvino", streams=1, max_batch=4, cache=cache).close()
    assert len(imported) == (damage == "not taken")
    made = entry(cache).stat().st_size  # never quite the same bytes twice
    assert abs(made - len(before)) < len(before) // 100
