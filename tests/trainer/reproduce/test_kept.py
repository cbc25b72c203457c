from pathlib import Path

import pytest

from phenostream.trainer.evaluation.schema.reproduction import SeedSpread
from phenostream.trainer.reproduce.kept import is_marked, keep, kept, mark
from phenostream.trainer.written_whole import write_whole

DOCUMENT = SeedSpread(name="accuracy", mean=0.9, sd=None, values=(0.9,))


def test_a_document_is_kept_for_what_it_was_made_from(tmp_path: Path) -> None:
    path = tmp_path / "new" / "document.json"
    assert kept(path, SeedSpread, "cells A") is None
    keep(path, DOCUMENT, "cells A")
    assert kept(path, SeedSpread, "cells A") == DOCUMENT
    assert kept(path, SeedSpread, "cells B") is None
    assert sorted(one.name for one in path.parent.iterdir()) == [
        "document.json",
        "document.json.made",
    ]


@pytest.mark.parametrize("left", [0, 5, 40])
def test_a_document_cut_short_is_made_again(tmp_path: Path, left: int) -> None:
    path = tmp_path / "document.json"
    keep(path, DOCUMENT, "x")
    path.write_bytes(path.read_bytes()[:left])
    assert kept(path, SeedSpread, "x") is None


def test_a_run_killed_before_the_mark_has_nothing_whole(tmp_path: Path) -> None:
    path = tmp_path / "document.json"
    write_whole(path, DOCUMENT.model_dump_json().encode())
    assert kept(path, SeedSpread, "x") is None
    mark(path, "x")
    assert is_marked(path, "x")
    write_whole(path, b"another")  # killed while making it again
    assert not is_marked(path, "x")
