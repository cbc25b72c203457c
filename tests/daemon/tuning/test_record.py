"""A record is found again on the same box, and on no other; what was edited is not believed."""

from dataclasses import replace
from pathlib import Path

import pytest

from phenostream.daemon.tuning import box, record
from phenostream.daemon.tuning.calibration import Absent, Calibration, Loaded
from phenostream.daemon.tuning.plan import Plan
from phenostream.daemon.tuning.record import FOLDER, keep, kept
from phenostream.deploy.bundles import demo_bundle
from phenostream.engine.backends.measured import Measured
from phenostream.engine.bundle import Bundle, load_bundle
from phenostream.engine.engine_cache import MOST_ENTRIES, EngineCache

PLAN = Plan(("openvino", "onnxruntime"), cores=2)
FOUND = Calibration(
    (Measured("openvino", "bf16", 2, 2, 16, 1962.0, 1890.5, 2010.0, 2.6),),
    (Loaded("openvino", "bf16", "CPU", 0.02),),
    (Absent("openvino", "int8", "not in this bundle"),),
    "2026-11-26T21:00:00+00:00",
    0.1,
    21.0,
)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(demo_bundle())


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path / "engines", bytes(32))


def test_what_was_kept_is_found_again(cache: EngineCache, bundle: Bundle) -> None:
    assert kept(cache, bundle, PLAN) is None
    keep(cache, bundle, PLAN, FOUND)
    assert kept(cache, bundle, PLAN) == FOUND


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cpu_model", "another CPU"),
        ("usable_cores", 64),
        ("own_version", "99.0"),
        ("runtime_versions", {"openvino": "2099.1"}),
        ("gpu", "another GPU 9.0, driver 1"),
    ],
)
def test_another_box_has_no_record(
    cache: EngineCache, bundle: Bundle, monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    keep(cache, bundle, PLAN, FOUND)
    monkeypatch.setattr(box, name, lambda: value)
    assert kept(cache, bundle, PLAN) is None


def test_another_graph_or_wish_has_no_record(cache: EngineCache, bundle: Bundle) -> None:
    keep(cache, bundle, PLAN, FOUND)
    entry = bundle.manifest.files["model.onnx"].model_copy(update={"sha256": "0" * 64})
    files = {**bundle.manifest.files, "model.onnx": entry}
    other = replace(bundle, manifest=bundle.manifest.model_copy(update={"files": files}))
    assert kept(cache, other, PLAN) is None
    for change in (
        {"streams": 1},
        {"max_batch": 8},
        {"precision": "fp32"},
        {"compile": True},
        {"backends": ("openvino",)},
    ):
        assert kept(cache, bundle, replace(PLAN, **change)) is None


def test_an_edited_record_is_not_believed(
    cache: EngineCache, bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    keep(cache, bundle, PLAN, FOUND)
    (path,) = (cache.directory / FOLDER).iterdir()
    path.write_bytes(path.read_bytes().replace(b"1962.0", b"9962.0"))
    assert kept(cache, bundle, PLAN) is None
    assert "not what this daemon wrote" in caplog.text
    assert not path.exists()


def test_a_record_of_another_version_is_measured_again(
    cache: EngineCache, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "to_json", lambda found: b'{"rows":[]}')
    keep(cache, bundle, PLAN, FOUND)
    assert kept(cache, bundle, PLAN) is None
    assert list((cache.directory / FOLDER).iterdir()) == []


def test_compiled_engines_do_not_push_a_record_out(cache: EngineCache, bundle: Bundle) -> None:
    keep(cache, bundle, PLAN, FOUND)
    for number in range(MOST_ENTRIES + 1):
        cache.put({"number": number}, [b"engine"])
    assert kept(cache, bundle, PLAN) == FOUND
