"""Every refused configuration gives one line that names the key, the value and what is allowed."""

from pathlib import Path
from typing import Any

import pytest

from phenostream.daemon.config import Config, load_config, parse_config
from phenostream.engine.errors import BadConfig

LEAST: dict[str, Any] = {"journal": {"directory": "journal"}, "model": {"bundle": "bundle"}}


def test_two_keys_are_enough() -> None:
    config = parse_config(LEAST, Path("/site"))
    assert config.journal.directory == Path("/site/journal")
    assert config.model.bundle == "/site/bundle"
    assert config.ingest.endpoint == "ipc:///site/run/ingest.sock"
    assert (config.model.max_batch, config.model.precision) == (0, None)


def test_a_language_model_is_a_name_or_a_path() -> None:
    def said(llm: str) -> str:
        return parse_config(LEAST | {"summary": {"llm": llm}}, Path("/site")).summary.llm

    assert said("") == ""
    assert said("smollm2") == "smollm2"
    assert said("models/any.gguf") == "/site/models/any.gguf"
    assert said("any.gguf") == "/site/any.gguf"


def test_the_demo_bundle_is_no_path() -> None:
    assert parse_config(LEAST | {"model": {"bundle": "demo"}}, Path("/x")).model.bundle == "demo"


SOURCE: dict[str, Any] = {"name": "b", "socket": "sub", "endpoint": "ipc://run/b.sock"}


def test_sources_have_a_port_each() -> None:
    two = [SOURCE, {**SOURCE, "name": "c", "link": "connect", "endpoint": "tcp://scope:5555"}]
    security = {"plain": ["sources.c"]}
    config = parse_config(LEAST | {"sources": two, "security": security}, Path("/site"))
    assert [source.endpoint for source in config.sources] == [
        "ipc:///site/run/b.sock",
        "tcp://scope:5555",
    ]
    assert [key for key, _ in config.listening()] == [
        "ingest.endpoint",
        "results.endpoint",
        "control.endpoint",
        "sources.b.endpoint",
    ]
    assert parse_config(LEAST, Path("/site")).sources == ()


def test_two_sources_may_listen_to_one_publisher() -> None:
    far = {**SOURCE, "link": "connect", "topic": "left"}
    config = parse_config(
        LEAST | {"sources": [far, {**far, "name": "c", "topic": "right"}]}, Path("/site")
    )
    assert len(config.sources) == 2


CASES: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"journal": {}}, ("journal.directory", "missing")),
    ({"model": {}}, ("model.bundle", "missing")),
    ({"modle": {}}, ("modle: unknown key", "did you mean 'model'")),
    ({"model": {"bundle": "b", "max_bach": 1}}, ("model.max_bach", "did you mean 'max_batch'")),
    ({"model": {"bundle": "b", "zzz": 1}}, ("model.zzz: unknown key, allowed bundle, backend",)),
    ({"model": {"bundle": "b", "max_batch": -1}}, ("model.max_batch: -1", "allowed 0 to 4096")),
    (
        {"model": {"bundle": "b", "precision": "fp8"}},
        ("model.precision: 'fp8'", "'fp32', 'fp16', 'bf16' or 'int8'"),
    ),
    (
        {"model": {"bundle": "b", "max_batch": "many"}},
        ("model.max_batch: 'many'", "whole number, 0 to 4096"),
    ),
    (
        {"model": {"bundle": "b", "backend": "openvin"}},
        (
            "model.backend: 'openvin': allowed auto, tensorrt, tensorrt_rtx, torch, openvino, onnxruntime",
        ),
    ),
    (
        {"model": {"bundle": "b", "fallback": "any"}},
        (
            "model.fallback: 'any': allowed auto, none, tensorrt, tensorrt_rtx, torch, openvino, onnxruntime",
        ),
    ),
    (
        {"model": {"bundle": "b", "call_timeout_s": 0.1}},
        ("model.call_timeout_s: 0.1: allowed 0, or 0.5 to 3600",),
    ),
    ({"model": {"bundle": "b", "max_wait_ms": -1}}, ("model.max_wait_ms: -1: allowed 0 to 1000",)),
    ({"ingest": {"endpoint": "tcp://host"}}, ("ingest.endpoint", "tcp://ADDRESS:PORT")),
    (
        {"ingest": {"endpoint": "tcp://host:99999"}},
        ("ingest.endpoint", "99999", "PORT from 1 to 65535"),
    ),
    ({"ingest": {"endpoint": "tcp://host:0"}}, ("ingest.endpoint", "PORT from 1 to 65535")),
    ({"ingest": {"endpoint": "udp://host:1"}}, ("ingest.endpoint", "ipc://PATH")),
    ({"ingest": {"endpoint": "ipc://" + "x" * 120}}, ("ingest.endpoint", "107 bytes")),
    ({"ingest": {"credit_bytes": 1}}, ("ingest.credit_bytes: 1", "65536")),
    ({"ingest": 3}, ("ingest: 3", "table")),
    ({"sources": [{**SOURCE, "socket": "push"}]}, ("sources[0].socket: 'push'", "'pull' or 'sub'")),
    ({"sources": [SOURCE, {}]}, ("sources[1].name: missing",)),
    ({"sources": [{**SOURCE, "nmae": 1}]}, ("sources[0].nmae: unknown key, did you mean 'name'",)),
    ({"sources": [{**SOURCE, "name": "a b"}]}, ("sources[0].name: 'a b'", "letters, digits")),
    ({"sources": [{**SOURCE, "idle_end_s": 0}]}, ("sources[0].idle_end_s: 0: allowed 1 to 86400",)),
    (
        {"sources": [{**SOURCE, "socket": "pull", "topic": ""}]},
        ("sources[0].topic ''", "'sub' only"),
    ),
    (
        {"sources": [{**SOURCE, "link": "connect", "endpoint": "tcp://*:5"}]},
        ("sources[0].endpoint tcp://*:5: allowed tcp://HOST:PORT",),
    ),
    ({"sources": [SOURCE, SOURCE]}, ("sources[0].name: b: allowed once",)),
    (
        {"sources": [SOURCE, {**SOURCE, "name": "c"}]},
        ("sources[0].endpoint: ipc:///site/run/b.sock: in use by another section",),
    ),
    (
        {"sources": [{**SOURCE, "endpoint": "ipc://run/ingest.sock"}]},
        ("sources[0].endpoint: ipc:///site/run/ingest.sock: in use by another section",),
    ),
    ({"sources": [{**SOURCE, "name": f"s{n}"} for n in range(17)]}, ("sources: ", "at most 16")),
    ({"sources": 3}, ("sources: 3: allowed a list",)),
    ({"control": {"endpoint": "ipc://run/ingest.sock"}}, ("three different endpoints",)),
    ({"detect": {"scale": 3}}, ("detect", "scale: unknown key", "scale_um")),
    ({"detect": {"scale_um": 300}}, ("detect.scale_um 300: allowed", "12")),
    ({"detect": {"scale_um": "x"}}, ("detect", "scale_um", "number")),
    ({"limits": {"max_cells_per_frame": 0}}, ("limits.max_cells_per_frame: 0",)),
    (
        {"ingest": {"endpoint": "tcp://*:5555"}},
        (
            "ingest.endpoint: tcp://*:5555: allowed on a network with security.keys",
            "security.plain = ['ingest']",
        ),
    ),
    (
        {"security": {"plain": ["control", "sources.x"]}},
        ("security.plain: 'sources.x': allowed ingest, results, control",),
    ),
    ({"security": {"most_peers": 0}}, ("security.most_peers: 0: allowed 1 to 4096",)),
    ({"summary": {"window_s": 0}}, ("summary.window_s: 0",)),
    (
        {"summary": {"style": "poem"}},
        ("summary.style: 'poem': allowed 'bedside', 'lab' or 'line'",),
    ),
    ({"summary": {"language": "tlh"}}, ("summary.language: 'tlh': allowed en",)),
    ({"summary": {"mode": "creative"}}, ("summary.mode: 'creative': allowed 'grammar', 'free'",)),
    ({"summary": {"deadline_s": 0}}, ("summary.deadline_s: 0: allowed 0.5 to 600",)),
    ({"summary": {"memory_bytes": 1}}, ("summary.memory_bytes: 1: allowed 268435456 to",)),
    ({"summary": {"model": "smollm2"}}, ("summary.model: unknown key",)),
    (
        {"ingest": {"channel_map": {"scope-1": {"left": "right"}}}},
        ("ingest.channel_map.scope-1: left and right are both 'right', allowed each of left",),
    ),
    (
        {"ingest": {"channel_map": {"scope-1": {"left": "up"}}}},
        ("ingest.channel_map.scope-1.left: 'up': allowed 'left', 'right', 'top' or 'bottom'",),
    ),
    (
        {"ingest": {"channel_map": {"scope-1": {"lef": "top"}}}},
        ("ingest.channel_map.scope-1.lef: unknown key, did you mean 'left'?",),
    ),
    (
        {"ingest": {"channel_map": {"my scope": {}}}},
        ("ingest.channel_map.my scope: 'my scope': allowed 1 to 64 letters",),
    ),
    ({"ingest": {"channel_map": {"scope-1": 3}}}, ("channel_map.scope-1: 3: allowed a table",)),
    *(
        ({"quarantine": {"directory": folder}}, ("quarantine.directory: ", "neither in nor around"))
        for folder in ("journal", "journal/q", ".", "x/../journal")
    ),
]


@pytest.mark.parametrize(("change", "parts"), CASES, ids=[case[1][0] for case in CASES])
def test_a_refusal_is_one_line_that_says_what_is_allowed(
    change: dict[str, Any], parts: tuple[str, ...]
) -> None:
    with pytest.raises(BadConfig) as caught:
        parse_config(LEAST | change, Path("/site"), "daemon.toml")
    text = str(caught.value)
    assert text.startswith("daemon.toml: ")
    assert "\n" not in text
    assert all(part in text for part in parts), text


@pytest.mark.parametrize(
    ("content", "part"),
    [(b"[model\n", "not TOML"), (b"\xff\xfe", "not TOML"), (None, "No such file")],
)
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, content: bytes | None, part: str
) -> None:
    path = tmp_path / "daemon.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadConfig, match=part) as caught:
        load_config(path)
    assert str(path) in str(caught.value)


def test_a_file_gives_what_its_values_give(tmp_path: Path) -> None:
    path = tmp_path / "daemon.toml"
    path.write_text(
        '[journal]\ndirectory = "j"\n[model]\nbundle = "demo"\n[detect]\nscale_um = 3.0\n'
    )
    config = load_config(path)
    assert isinstance(config, Config)
    assert config.journal.directory == tmp_path / "j"
    assert config.detect.scale_um == 3.0


def test_the_digest_changes_with_any_value() -> None:
    one = parse_config(LEAST, Path("/site"))
    same = parse_config(LEAST, Path("/site"))
    other = parse_config(LEAST | {"detect": {"scale_um": 3.0}}, Path("/site"))
    assert one.sha256 == same.sha256 != other.sha256


@pytest.mark.parametrize(
    ("endpoint", "security", "plain"),
    [
        ("tcp://127.0.0.1:5555", {}, True),
        ("tcp://[::1]:5555", {}, True),
        ("tcp://lo:5555", {}, True),
        ("tcp://127.0.0.1:5555", {"keys": "keys"}, False),
        ("tcp://*:5555", {"keys": "keys"}, False),
        ("tcp://10.0.0.1:5555", {"plain": ["ingest"]}, True),
        ("tcp://10.0.0.1:5555", {"keys": "keys", "plain": ["ingest"]}, True),
        ("ipc://run/x.sock", {}, False),
    ],
)
def test_tcp_is_plain_without_keys_or_by_consent(
    endpoint: str, security: dict[str, Any], plain: bool
) -> None:
    values = LEAST | {"ingest": {"endpoint": endpoint}, "security": security}
    config = parse_config(values, Path("/site"))
    assert config.is_plain("ingest", config.ingest.endpoint) is plain
