"""Who names no daemon asks the service of this box while it is there; frames are never sent to it unasked."""

from pathlib import Path

from phenostream.deploy.cli.endpoints import INGEST, folder_of_sockets

EXAMPLE = Path(__file__).parents[2] / "deploy" / "config.example.toml"


def test_a_service_is_asked_while_it_is_there(tmp_path: Path) -> None:
    service = tmp_path / "run"
    assert f"ipc://{folder_of_sockets(str(service))}/ingest" == INGEST
    service.mkdir()
    assert folder_of_sockets(str(service)) == str(service)


def test_a_folder_that_may_not_be_looked_into_is_still_the_services(tmp_path: Path) -> None:
    service = tmp_path / "run"
    service.mkdir(mode=0)
    assert folder_of_sockets(str(service)) == str(service)


def test_without_a_service_the_endpoints_are_those_of_the_example() -> None:
    example = EXAMPLE.read_text(encoding="utf-8")
    for name in ("ingest", "results", "control"):
        assert f'"ipc://{folder_of_sockets("/nowhere")}/{name}"' in example
    assert f'"{INGEST}"' in example
