import builtins
import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from phenostream.daemon.exports import export as exports
from phenostream.daemon.exports.export import ExportFacts, export
from phenostream.daemon.exports.gone import Gone
from phenostream.daemon.exports.jsonl import json_line
from phenostream.daemon.exports.rows import RowMaker, joined
from phenostream.daemon.journal.log import Journal
from phenostream.daemon.journal.record import Gap, Record, encode_gap, encode_record
from phenostream.daemon.wire.codec import pack
from phenostream.daemon.wire.results import FrameRecord, encode_frame
from phenostream.engine.errors import BadConfig, BadInput, MissingPackage

RecordMaker = Callable[..., FrameRecord]
FRAMES = 5


@pytest.fixture(params=["journal", "lines"])
def source(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    make_record: RecordMaker,
    make_unpublished: RecordMaker,
) -> Path:
    """Five published frames of two cells, a quarantined one, and a summary; in both kinds of source."""
    records = [make_record(n) for n in range(FRAMES)]
    records.append(make_unpublished(FRAMES, "quarantined", "shape: wrong"))
    if request.param == "lines":
        path = tmp_path / "got.jsonl"
        lines = [json_line("result", n, record) for n, record in enumerate(records)]
        path.write_text("\n".join([*lines, json_line("summary", 6, {"text": "x"})]) + "\n")
        return path
    journal = Journal(tmp_path / "journal", segment_bytes=4096)
    for record in records:
        journal.append([("result", encode_frame(record))])
    journal.append([("summary", pack({"v": 1, "text": "x"}))])
    journal.sync()
    journal.close()
    assert len(list((tmp_path / "journal").iterdir())) > 1
    return tmp_path / "journal"


def expected(make_record: RecordMaker) -> dict[str, Any]:
    maker = RowMaker()
    parts = [maker.take(n, make_record(n)) for n in range(FRAMES)]
    return joined([part for part in parts if part is not None])


def test_csv_holds_every_cell_exactly(
    source: Path, tmp_path: Path, make_record: RecordMaker, run: str
) -> None:
    target = tmp_path / "cells.csv"
    found = export(source, target)
    assert found == ExportFacts(
        target=target,
        rows=2 * FRAMES,
        frames=FRAMES + 1,
        fates={"published": FRAMES, "quarantined": 1, "quarantined.shape": 1},
        runs=(run,),
        synthetic=True,
        bytes=target.stat().st_size,
    )
    with target.open(newline="") as file:
        names, *lines = list(csv.reader(file, strict=True))
    for name, values in zip(names, zip(*lines, strict=True), strict=True):
        want = expected(make_record)[name]
        if want.dtype.kind == "f":
            got = np.array([value or "nan" for value in values], np.float32)
            assert np.array_equal(got, want, equal_nan=True), name
        elif want.dtype.kind == "b":
            assert values == tuple(str(value).lower() for value in want), name
        else:
            words = {None: "", False: "false", True: "true"} if name == "ood" else {None: ""}
            assert values == tuple(words.get(v, str(v)) for v in want.tolist()), name


def test_csv_is_rfc_4180(tmp_path: Path, source: Path) -> None:
    target = tmp_path / "cells.csv"
    export(source, target)
    raw = target.read_bytes()
    assert raw.count(b"\r\n") == raw.count(b"\n") == 2 * FRAMES + 1
    assert b'"toy, ""first"""' in raw


def test_csv_has_its_units_beside_it(tmp_path: Path, source: Path) -> None:
    export(source, tmp_path / "cells.csv")
    about = json.loads((tmp_path / "cells.csv.units.json").read_text())
    names = (tmp_path / "cells.csv").read_text().splitlines()[0].split(",")
    assert list(about["columns"]) == names
    assert about["columns"]["marker_estimate_CD16"]["unit"] == "a.u."
    _says_how_far_to_trust(about)
    assert about["synthetic"]
    assert about["notice"].startswith("Research use only")
    assert about["fates"]["quarantined.shape"] == 1


def test_parquet_holds_every_cell_exactly(
    source: Path, tmp_path: Path, make_record: RecordMaker
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra: exports")
    export(source, tmp_path / "cells.parquet")
    table = parquet.read_table(tmp_path / "cells.parquet")
    assert table.num_rows == 2 * FRAMES
    for name, want in expected(make_record).items():
        got = table.column(name)
        if want.dtype.kind == "f":
            assert str(got.type) == "float"
            assert got.null_count == np.isnan(want).sum()
            assert np.array_equal(got.to_numpy(), want, equal_nan=True), name
        else:
            assert got.to_pylist() == want.tolist(), name
    about = json.loads(table.schema.metadata[b"phenostream"])
    assert about["models"][0]["name"] == 'toy, "first"'
    assert about["synthetic"]
    assert about["columns"]["y_px"]["unit"] == "px"
    _says_how_far_to_trust(about)


def _says_how_far_to_trust(about: dict[str, Any]) -> None:
    assert about["model_synthetic"]
    meaning = {name: column["meaning"] for name, column in about["columns"].items()}
    for end in ("marker_low_CD16", "marker_high_CD16"):
        assert "nominal 90 % interval, calibrated on synthetic cells" in meaning[end]
    assert "calibrated on synthetic cells" in meaning["class_probability_monocyte"]


def test_a_second_model_that_is_uncalibrated_changes_what_the_whole_table_claims(
    tmp_path: Path, make_record: RecordMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "ROWS_A_BATCH", 1)
    path = tmp_path / "got.jsonl"
    other = {"name": "other", "calibrated": False, "interval_coverage": 0.9}
    records = [make_record(0), make_record(1, model=other)]
    path.write_text("".join(json_line("result", n, r) + "\n" for n, r in enumerate(records)))
    export(path, tmp_path / "cells.csv")
    about = json.loads((tmp_path / "cells.csv.units.json").read_text())
    said = about["columns"]["marker_low_CD16"]["meaning"]
    assert "calibrated on synthetic cells where `calibrated`" in said
    with (tmp_path / "cells.csv").open(newline="") as file:
        assert [row["calibrated"] for row in csv.DictReader(file)] == ["true"] * 2 + ["false"] * 2


def test_row_groups_are_bounded(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra: exports")
    monkeypatch.setattr(exports, "ROWS_A_BATCH", 4)
    export(source, tmp_path / "cells.parquet")
    file = parquet.ParquetFile(tmp_path / "cells.parquet")
    sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert sizes == [4, 4, 2]


def test_parquet_without_pyarrow_names_the_extra_and_leaves_nothing(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def missing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(MissingPackage, match=r"pip install 'phenostream\[exports\]'"):
        export(source, folder / "cells.parquet")
    assert not list(folder.iterdir())


def test_an_unknown_suffix_names_the_known_ones(source: Path, tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"suffix '\.fcs', allowed \.csv, \.parquet"):
        export(source, tmp_path / "cells.fcs")


def test_only_the_chosen_runs_are_exported(
    tmp_path: Path, make_record: RecordMaker, run: str
) -> None:
    path, other = tmp_path / "got.jsonl", "01900000-0000-7000-8000-000000000009"
    records = [make_record(0), make_record(0, run=other)]
    path.write_text("".join(json_line("result", n, r) + "\n" for n, r in enumerate(records)))
    assert export(path, tmp_path / "one.csv", runs=[other]).runs == (other,)
    assert export(path, tmp_path / "all.csv").runs == (run, other)
    with pytest.raises(BadInput, match=r"got\.jsonl: holds no result of run nobody"):
        export(path, tmp_path / "none.csv", runs=["nobody"])


def test_a_failed_export_leaves_the_earlier_file_and_no_other(
    tmp_path: Path, make_record: RecordMaker
) -> None:
    path, target = tmp_path / "got.jsonl", tmp_path / "cells.csv"
    path.write_text(json_line("result", 0, make_record()) + "\nnot json\n{}\n")
    target.write_text("earlier")
    with pytest.raises(BadInput, match=r"got\.jsonl: line 2: "):
        export(path, target)
    assert target.read_text() == "earlier"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cells.csv", "got.jsonl"]


def test_a_run_without_any_cell_gives_a_table_without_rows(
    tmp_path: Path, make_unpublished: RecordMaker
) -> None:
    path = tmp_path / "got.jsonl"
    path.write_text(json_line("result", 0, make_unpublished(0, "failed", "backend: x")) + "\n")
    for suffix in ("csv", "parquet"):
        found = export(path, tmp_path / f"cells.{suffix}")
        assert (found.rows, found.frames) == (0, 1)
    assert (tmp_path / "cells.csv").read_text().startswith("run,instrument,frame_seq,cell")


def test_every_frame_is_told_with_its_fate(source: Path, tmp_path: Path) -> None:
    fates: list[str] = []
    export(source, tmp_path / "cells.csv", on_frame=fates.append)
    assert fates == ["published"] * FRAMES + ["quarantined"]


def test_of_a_damaged_journal_the_rest_is_exported_and_what_is_missing_is_said(
    tmp_path: Path, make_record: RecordMaker
) -> None:
    journal = Journal(tmp_path / "j")
    for number in range(3):
        journal.append([("result", encode_frame(make_record(number)))])
        journal.sync()
    journal.close()
    path = next((tmp_path / "j").glob("*.journal"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    found = export(tmp_path / "j", tmp_path / "cells.csv")
    assert found.frames == 2
    (loss,) = found.losses
    assert "offset 1 is lost" in loss
    about = json.loads((tmp_path / "cells.csv.units.json").read_text())
    assert about["losses"] == [loss]


def test_what_a_journal_was_told_to_forget_is_said_and_what_it_forgot_by_damage_is_incomplete(
    tmp_path: Path, make_record: RecordMaker
) -> None:
    cases: tuple[tuple[Literal["dropped", "damage"], bool], ...] = (
        ("dropped", True),
        ("damage", False),
    )
    for why, complete in cases:
        folder = tmp_path / why
        folder.mkdir()
        records = [Record(n, "result", encode_frame(make_record(n))) for n in (0, 1)]
        content = b"".join(part for one in records for part in encode_record(one, one.offset))
        (folder / f"{0:020d}.journal").write_bytes(content + encode_gap(Gap(2, 4, why)))
        found = export(folder, tmp_path / "cells.csv")
        assert (found.frames, found.losses, found.complete) == (2, (), complete)
        assert found.gone[0].endswith(": offsets 2 to 3")
        about = json.loads((tmp_path / "cells.csv.units.json").read_text())
        assert about["gone"] == list(found.gone)


def test_gone_offsets_are_summed_up_by_reason() -> None:
    gone = Gone()
    for stretch in ((0, 0, "removed"), (4, 5, "dropped"), (9, 11, "dropped"), (12, 13, "damage")):
        gone.take(*stretch)
    assert gone.lines() == (
        "dropped by a person: 3 offsets from 4 to 10",
        "given up after damage: offset 12",
    )
