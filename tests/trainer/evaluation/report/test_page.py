"""The page says everything that was measured, refuses what must be refused, and cannot be made to do anything."""

import re
from html.parser import HTMLParser

import pytest

from phenostream.trainer.evaluation.report.frame import SECTIONS
from phenostream.trainer.evaluation.report.page import render
from phenostream.trainer.evaluation.report.summary import summary
from phenostream.trainer.evaluation.schema.comparisons import Gallery
from phenostream.trainer.evaluation.schema.document import Evaluation
from tests.trainer.evaluation.report import documents

pytest.importorskip("matplotlib")
HOSTILE = (
    "<script>alert(1)</script>\" onload='x' ![a](http://evil.example/x) $\\frac{1}{0}$ {{ 7*7 }} |"
)


class Reader(HTMLParser):
    """Tags with their attributes, and the text of each section by its id."""

    VOID = ("meta", "img", "br", "line", "circle", "path", "use", "rect")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.sections: dict[str, str] = {}
        self._section = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.tags.append((tag, found))
        if tag == "section":
            self._section = found["aria-labelledby"]
            self.sections[self._section] = ""
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            while self.open.pop() != tag:
                pass
        if tag == "section":
            self._section = ""

    def handle_data(self, data: str) -> None:
        if self._section:
            self.sections[self._section] += data


@pytest.fixture(scope="module")
def full() -> str:
    return render(documents.evaluation())


@pytest.fixture(scope="module")
def refused() -> str:
    return render(documents.refused())


@pytest.fixture(scope="module")
def many() -> str:
    return render(documents.reproduction())


def test_a_full_document_has_every_section(full: str, many: str) -> None:
    assert list(Reader(full).sections) == ["verdict", *SECTIONS]
    found = list(Reader(many).sections)
    assert found[:3] == ["verdict", "seeds", "gaps"]
    assert found[3:] == [f"seed-{seed}-{name}" for seed in (1, 2) for name in SECTIONS]


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("data", ["1,230", "3.1", "Pairs under 3 µm apart", "NA 0.5", "dddddddddddd", "unknown"]),
        ("classification", ["0.938", "[0.928, 0.948]", "majority", "logistic on pixels", "0.626", "1,170", "AUROC"]),
        ("markers", ["CD123/HLA-DR/CD14", "True class means alone", "Called class means", "Within granulocyte"]),
        ("markers", ["Size only", "oracle", "partial", "Spearman", "R²", "RMSE", "CCC", "linear"]),
        ("calibration", ["0.062", "0.012", "Brier", "likelihood"]),
        ("coverage", ["promised 90", "lymphocyte", "width", "Class sets"]),
        ("outliers", ["red", "debris", "empty", "defocus", "swap left-right", "0.430"]),
        ("controls", ["shuffled targets", "position only", "brightness only", "not as expected", "cannot be told"]),
        ("ablations", ["no ECA", "1,816,241", "class only"]),
        ("gallery", ["Right and sure", "Wrong and sure", "Rejected", "sensitive"]),
        ("references", ["91.3", "published, different split/targets unclear"]),
        ("provenance", ["torch", "openvino bf16", "1,000 resamples", "epochs", "phenostream evaluate demo"]),
    ],
)  # fmt: skip
def test_a_section_says_what_was_measured(full: str, section: str, words: list[str]) -> None:
    text = Reader(full).sections[section]
    assert [word for word in words if word not in text] == []


def test_seeds_gaps_verdicts_and_checks_are_told(many: str) -> None:
    sections = Reader(many).sections
    assert "not reproduced: 0.938 against 0.913 ± 0.020" in sections["verdict"]
    assert "FAILED" in sections["verdict"]
    assert "0.938" in sections["seeds"]
    assert "+0.012" in sections["gaps"]
    assert "−0.004" in sections["gaps"]


def test_every_section_of_simulated_data_says_synthetic(full: str, many: str) -> None:
    for text in (full, many):
        for name, words in Reader(text).sections.items():
            assert "synthetic" in words.lower(), name


def test_measured_cells_and_weights_are_not_called_synthetic() -> None:
    said = documents.evaluation()
    subject = said.subject.model_copy(update={"synthetic": False, "marker_unit": "a.u."})
    facts = said.data.facts.model_copy(update={"synthetic": False})
    data = said.data.model_copy(update={"facts": facts})
    headline = said.headline.model_copy(update={"lines": ("Accuracy 0.9.",)})
    changed = said.model_copy(update={"subject": subject, "data": data, "headline": headline})
    assert "synthetic" not in re.sub(r"<style>.*</style>", "", render(changed), flags=re.DOTALL).lower()  # fmt: skip


def test_a_refused_headline_shows_no_headline_number(refused: str) -> None:
    many = documents.reproduction(documents.refused(), documents.evaluation())
    for document, text in ((documents.refused(), refused), (many, render(many))):
        verdict = Reader(text).sections["verdict"]
        assert documents.REFUSAL in verdict
        assert not re.search(r"\d\.\d", verdict)
        top = summary(document).partition("\n## ")[0].partition("\nToo few")[0]
        assert documents.REFUSAL.split()[0] in top
        assert not re.search(r"\d\.\d", top.partition("No headline")[2])


def test_a_refused_headline_marks_the_sections_it_concerns(refused: str) -> None:
    sections = Reader(refused).sections
    assert "Too few cells" in sections["classification"]
    assert "Too few cells" in sections["markers"]


def test_a_run_that_trained_nothing_says_why_and_on_what() -> None:
    facts = documents.evaluation().data.facts
    nothing = documents.reproduction().model_copy(
        update={"evaluations": (), "seeds": (), "spread": (), "gaps": (), "data": facts, "refusal": documents.REFUSAL}
    )  # fmt: skip
    sections = Reader(render(nothing)).sections
    assert list(sections) == ["verdict", "data"]
    assert documents.REFUSAL in sections["verdict"]
    assert not re.search(r"\d\.\d", sections["verdict"])
    assert "24,000" in sections["data"]
    assert all("synthetic" in words.lower() for words in sections.values())


def test_nothing_on_the_page_points_outside_it(full: str, many: str) -> None:
    for text in (full, many):
        tags = Reader(text).tags
        ids = [found["id"] for _, found in tags if "id" in found]
        assert len(ids) == len(set(ids)), "an id is there twice"
        for tag, found in tags:
            assert tag not in ("script", "link", "iframe", "object", "embed", "base", "form")
            for name, value in found.items():
                assert not name.startswith("on"), (tag, name)
                if name in ("href", "xlink:href"):
                    assert value.startswith("#"), value
                    assert value[1:] in ids, value
                if name == "src":
                    assert value.startswith("data:image/png;base64,")
        assert not re.search(
            r"https?:|//[a-z]|@import|url\((?!#)", re.sub(r"base64,[^\"]*", "", text)
        )


def test_every_picture_has_an_alternative_text(full: str) -> None:
    tags = Reader(full).tags
    images = [found for tag, found in tags if tag == "img"]
    drawings = [found for tag, found in tags if tag == "svg" and "aria-hidden" not in found]
    assert len(images) == 15
    assert len(drawings) == 14  # ROC, 4 clouds, reliability, 8 kinds of outlier
    assert all(found["alt"] for found in images)
    assert all(found["aria-label"] and found["role"] == "img" for found in drawings)


def _hostile() -> Evaluation:
    said = documents.evaluation()
    assert said.gallery is not None
    assert said.classification is not None
    cell = said.gallery.cells[0]
    evil = cell.picture.model_copy(
        update={"alt": HOSTILE, "caption": HOSTILE, "png_base64": f'x"{HOSTILE}'}
    )
    cell = cell.model_copy(update={"reason": HOSTILE, "true": HOSTILE, "picture": evil})
    facts = said.data.facts.model_copy(
        update={"name": HOSTILE, "protocol": HOSTILE, "notes": (HOSTILE,), "present": {HOSTILE: HOSTILE}}
    )  # fmt: skip
    classes = tuple(one.model_copy(update={"name": HOSTILE}) for one in said.classification.classes)
    markers = tuple(one.model_copy(update={"name": HOSTILE}) for one in said.markers)
    return said.model_copy(
        update={
            "subject": said.subject.model_copy(update={"name": HOSTILE, "marker_unit": HOSTILE}),
            "data": said.data.model_copy(update={"facts": facts}),
            "headline": said.headline.model_copy(update={"lines": (HOSTILE,)}),
            "gallery": Gallery(cells=(cell,)),
            "classification": said.classification.model_copy(update={"classes": classes}),
            "markers": markers,
            "provenance": said.provenance.model_copy(update={"settings": {HOSTILE: HOSTILE}}),
        }
    )


def test_hostile_names_stay_text() -> None:
    text = render(_hostile())
    tags = Reader(text).tags
    assert all(tag not in ("script", "a") or "href" in found for tag, found in tags)
    assert "<script" not in text
    assert not any(name.startswith("on") for _, found in tags for name in found)
    assert "&lt;script&gt;" in text
    assert "{{ 7*7 }}" in text, "a name was taken for a template"
    markdown = summary(_hostile())
    assert "<script" not in markdown.replace("\\<", "")
    assert not re.search(r"(?<!\\)\]\(", markdown), "a name became a link"


def test_an_evaluation_of_nothing_says_what_is_missing() -> None:
    bare = documents.evaluation(
        classification=None, calibration=None, markers=(), outliers=None, baselines=(),
        controls=(), ablations=(), gallery=None, references=(),
    )  # fmt: skip
    sections = Reader(render(bare)).sections
    assert list(sections) == ["verdict", *SECTIONS]
    assert "Not measured" in sections["classification"]
    assert "No control was run" in sections["controls"]
    assert summary(bare)


def test_the_same_document_gives_the_same_bytes_and_they_are_few(full: str, many: str) -> None:
    assert render(documents.evaluation()) == full
    assert len(many) < 2_000_000
