"""The ingest benchmark sends by every way, and its ratios are those of its rounds."""

from pathlib import Path

import pytest

from phenostream.deploy.bench.ingest import WAYS, measure_ingest
from phenostream.deploy.cli.main import main
from tests.system.toy_bundle import write_toy_bundle


def test_every_way_is_measured_against_ipc(tmp_path: Path) -> None:
    steps: list[int] = []
    (tmp_path / "toy").mkdir()
    write_toy_bundle(tmp_path / "toy")
    ways = measure_ingest(
        str(tmp_path / "toy"),
        256,
        tmp_path / "d",
        frames=4,
        rounds=1,
        backend="fake",
        on_step=lambda: steps.append(1),
    )
    assert [way.way for way in ways] == list(WAYS)
    assert ways[0].ratio == 1
    assert all(way.mb_per_s > 0 and way.low <= way.mb_per_s <= way.high for way in ways)
    assert len(steps) == 3


@pytest.mark.parametrize("kind", ["ingest", "pipeline"])
@pytest.mark.parametrize("flag", ["--frames", "--rounds"])
def test_nothing_to_send_is_one_line_and_exit_2(
    kind: str, flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", kind, flag, "0"]) == 2
    assert f"{flag} 0: allowed 1 or more" in capsys.readouterr().err
