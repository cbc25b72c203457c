"""The warning that CURVE carries less than what is expected: only where it applies, with both rates."""

from pathlib import Path
from typing import Any

import pytest

from phenostream.daemon.config import parse_config
from phenostream.daemon.security import curve_rate
from phenostream.daemon.security.curve_rate import measured_mb_per_s, shortfall

TCP, IPC = "tcp://127.0.0.1:5555", "ipc://run/x.sock"


def test_a_rate_is_measured() -> None:
    assert measured_mb_per_s() > 1


@pytest.mark.parametrize(
    ("endpoint", "security", "expected", "warned"),
    [
        (TCP, {"keys": "keys"}, 300.0, True),
        (TCP, {"keys": "keys"}, 200.0, False),
        (TCP, {"keys": "keys"}, 0.0, False),
        (TCP, {"keys": "keys", "plain": ["ingest"]}, 300.0, False),
        (TCP, {}, 300.0, False),
        (IPC, {"keys": "keys"}, 300.0, False),
    ],
)
def test_it_warns_only_where_curve_is_too_slow(
    endpoint: str,
    security: dict[str, Any],
    expected: float,
    warned: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(curve_rate, "measured_mb_per_s", lambda: 250.0)
    values: dict[str, Any] = {
        "journal": {"directory": "j"},
        "model": {"bundle": "demo"},
        "ingest": {"endpoint": endpoint, "expected_mb_per_s": expected},
        "security": security,
    }
    line = shortfall(parse_config(values, Path("/site")))
    assert (line is not None) is warned
    if line is not None:
        assert "expected_mb_per_s: 300, but" in line
        assert "about 250 MB/s" in line
        assert "WireGuard" in line
