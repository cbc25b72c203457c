"""How a site wants its summaries told, and what they are compared with."""

import logging
from pathlib import Path

import pytest

from phenostream.daemon.reference_file import read_reference, write_reference
from phenostream.daemon.summary_config import SummaryConfig
from phenostream.daemon.telling import telling_of
from phenostream.engine.errors import BadInput
from phenostream.engine.summary.reference import Reference
from tests.engine.summary.populations import Population

SHA256 = "a" * 64


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A reference of the model `SHA256`."""
    file = tmp_path / "healthy.json"
    write_reference(file, Reference("healthy", SHA256, Population(7).draw(300)))
    return file


def test_a_reference_is_read_as_it_was_written_and_never_written_over(path: Path) -> None:
    read = read_reference(path)
    assert (read.name, read.model_sha256, read.as_text()) == ("healthy", SHA256, path.read_text())
    with pytest.raises(BadInput, match="file exists"):
        write_reference(path, read)


def test_summaries_are_told_as_configured(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = SummaryConfig(style="lab", language="en", reference=path)
    telling = telling_of(config, SHA256)
    assert (telling.style, telling.language) == ("lab", "en")
    assert telling.reference is not None
    assert telling_of(SummaryConfig(), SHA256).reference is None
    assert not caplog.records


def test_a_reference_of_another_model_is_warned_of_and_starts_all_the_same(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        telling = telling_of(SummaryConfig(reference=path), "b" * 64)
    assert telling.reference is not None
    assert "of another model" in caplog.text


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "there is no such file"), (b"\xff\xfe", "not text"), (b"{}", "format")],
)
def test_a_file_that_is_no_reference_is_refused_by_its_name(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    file = tmp_path / "other.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BadInput, match=r"other\.json") as refused:
        telling_of(SummaryConfig(reference=file), SHA256)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_folder_is_no_reference(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is a directory"):
        read_reference(tmp_path)
