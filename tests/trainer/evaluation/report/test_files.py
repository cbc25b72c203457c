"""The files of a report are whole or not there, and what is read back is what was written."""

from pathlib import Path

import pytest

from phenostream.engine.errors import BadInput
from phenostream.trainer.evaluation.report.files import read_report, write_report
from tests.trainer.evaluation.report import documents


def test_a_report_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "report"
    paths = write_report(documents.evaluation(), folder)
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json", "report.md"]  # fmt: skip
    assert read_report(folder) == documents.evaluation()
    assert paths["html"].stat().st_size < 5_000_000
    many = documents.reproduction()
    (folder / "report.json").write_text(many.model_dump_json())
    assert read_report(folder) == many


@pytest.mark.parametrize("text", ["", "[]", "null", '{"evaluations": 3}', "\x00"])
def test_what_is_no_report_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(text)
    with pytest.raises(BadInput) as caught:
        read_report(file)
    assert str(file) in str(caught.value)
