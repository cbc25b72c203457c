from phenostream.trainer.data.splits import split
from phenostream.trainer.reproduce.data_facts import data_facts
from tests.trainer.data.toy_packed import toy_packed


def test_facts_name_source_hashes_and_what_chance_decided() -> None:
    cells = toy_packed()
    made = split(cells, "paper")
    facts = data_facts(cells, made, "paper")
    assert facts.synthetic
    assert facts.hashes["split"] == made.sha256(cells)
    assert facts.hashes["packed cells"] == cells.sha256()
    assert facts.present["conditions"] == "all"
    assert facts.objective == "NA 0.5, 515 nm"
    said = " ".join(facts.notes)
    assert "no figure here is evidence about blood" in said
    assert "0 test cells are also in another part" in said
    assert "Few test cells" in said


def test_cells_that_cannot_be_parted_still_have_facts() -> None:
    assert "split" not in data_facts(toy_packed(), None, "clean").hashes
