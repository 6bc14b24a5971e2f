"""The page: its numbers are those of the tables, nothing of a suite's text becomes markup, and it stands alone."""

import html
import json
import re
from html.parser import HTMLParser

import pytest
from synthetic_run import Synthetic, troubled

from metabench.errors import FolderError
from metabench.report import render, words
from metabench.tables import load, rows

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """Just enough of a browser: elements with attributes, whether tags match, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(folder):
    return Page(render(folder).read_text())


SUITES = {
    "classification": Synthetic(),
    "regression": Synthetic(ways=None, dataset="sinusoid", algorithms=("maml", "fomaml", "scratch")),
    "troubled": troubled(),
    "one seed": Synthetic(seeds=(0,)),
    "three seeds": Synthetic(seeds=(0, 1, 2)),
    "one algorithm": Synthetic(algorithms=("maml",)),
    "no reference": Synthetic(algorithms=("fomaml", "scratch"), shots=(1,)),
    "all failed": Synthetic(shots=(1,), algorithms=("maml",), change={("maml", 1, seed): "failed" for seed in range(5)}),
    "all missing": Synthetic(shots=(1,), algorithms=("maml",), change={("maml", 1, seed): "missing" for seed in range(5)}),
    "all diverged": Synthetic(shots=(1,), change={(name, 1, seed): "diverged" for name in ("maml", "fomaml", "protonet") for seed in range(5)}),
    "diverged regression": Synthetic(shots=(1,), ways=None, algorithms=("maml",), change={("maml", 1, seed): "diverged" for seed in range(5)}),
    "perfect": Synthetic(shots=(1,), algorithms=("maml", "fomaml"), scores={("maml", 1): [1.0] * 5, ("fomaml", 1): [1.0] * 5}),
    "useless": Synthetic(shots=(1,), ways=None, algorithms=("maml", "fomaml"), scores={("maml", 1): [0.0] * 5, ("fomaml", 1): [1e9] * 5}),
    "many": Synthetic(algorithms=[f"algorithm_with_a_rather_long_name_{i}" for i in range(12)], shots=(1,), reference="none of them"),
    "axes": Synthetic(shots=(1,), axes={"train.iterations": [10, 20, 40]}),
}


@pytest.fixture(scope="module", params=SUITES)
def page(request, tmp_path_factory):
    return page_of(SUITES[request.param].write(tmp_path_factory.mktemp("run") / "run"))


def test_every_svg_has_a_text_alternative(page):
    ids = {attributes.get("id") for _, attributes in page.elements}
    for svg in page.all("svg"):
        if svg.get("aria-hidden") != "true":
            assert svg["role"] == "img"
            assert set(svg["aria-labelledby"].split()) <= ids


def test_ids_are_unique_and_links_inside_the_page_arrive(page):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.elements:
        if (target := attributes.get("href") or "").startswith("#"):
            assert target[1:] in ids
        for value in attributes.values():
            assert set(re.findall(r"url\(#([^)]+)\)", value or "")) <= set(ids)


def test_nothing_is_loaded(page):
    assert not {"script", "link", "img", "iframe", "object", "embed"} & {tag for tag, _ in page.elements}
    for tag, attributes in page.elements:
        assert "src" not in attributes
        assert attributes.get("href", "#").startswith(("#", "tables/")), tag
        assert not any(name.startswith("on") for name in attributes)
    assert any(meta.get("http-equiv") == "Content-Security-Policy" for meta in page.all("meta"))


def test_no_number_is_written_as_nan(page):
    assert not re.search(r"\b(nan|None|NaN|inf|undefined)\b", page.text)
    assert not any("nan" in (attributes.get("d") or "") for attributes in page.all("path"))


@pytest.mark.parametrize("name", ["classification", "regression"])
def test_numbers_are_those_of_the_tables(name, tmp_path):
    folder = SUITES[name].write(tmp_path / "run")
    page, run = page_of(folder), load(folder)
    for group in rows(run.groups):
        assert words.score(group["score"], group["unit"]) in page.text
        assert words.interval(group["score_low"], group["score_high"], group["unit"]) in page.text
        assert words.seconds(group["training_seconds"]).replace(words.THIN, " ") in page.text.replace(words.THIN, " ")
    for row in rows(run.comparisons):
        assert words.difference(row["difference"], row["unit"]) in page.text
        assert words.interval(row["low"], row["high"], row["unit"]) in page.text
        assert words.score(row["detectable_difference"], row["unit"]) in page.text


def test_what_was_declared_after_the_data_is_marked(tmp_path):
    kept, dropped = {"id": "a", "says": "Kept claim", "source": ""}, {"id": "b", "says": "Dropped claim", "source": ""}
    folder = Synthetic(claims=[kept, dropped]).write(tmp_path / "run")
    text = Page(render(folder).read_text()).text
    assert "declared beforehand" in text
    assert "post hoc" not in text
    assert "withdrawn" not in text
    described = json.loads((folder / "cells.json").read_text())
    later = {"reference": "fomaml", "claims": [kept, {"id": "c", "says": "New claim", "source": ""}]}
    (folder / "cells.json").write_text(json.dumps(described | later))
    text = Page(render(folder).read_text()).text
    assert "The reference changed after the first data: post hoc" in text
    assert "declared beforehand" not in text
    assert re.search(r"Dropped claim\s*withdrawn after the first data", text)
    assert re.search(r"New claim\s*post hoc", text)
    assert not re.search(r"Kept claim\s*post hoc", text)
    assert "level of confidence, 80 %, was chosen after the first data" in Page(render(folder, confidence=0.8).read_text()).text


def test_the_command_to_run_it_again_knows_the_profile(tmp_path):
    folder = Synthetic(suite="small-short").write(tmp_path / "run")
    described = json.loads((folder / "cells.json").read_text())
    (folder / "cells.json").write_text(json.dumps(described | {"argument": "small", "profile": "short"}))
    assert "metabench run small --profile short" in Page(render(folder).read_text()).text


def test_confidence_is_said_and_used(tmp_path):
    folder = Synthetic(shots=(1,)).write(tmp_path / "run")
    text = Page(render(folder, confidence=0.8).read_text()).text
    group = rows(load(folder, 0.8).groups)[0]
    assert "80 % Student t interval" in text
    assert words.interval(group["score_low"], group["score_high"], group["unit"]) in text


def test_hostile_text_stays_text(tmp_path):
    evil = "</title></style><script>alert(1)</script>\"'><img src=x onerror=alert(1)> ${jndi} {{ 7 * 7 }}"

    def complain(record):
        record["result"] |= {
            "outcome": "failed",
            "score": None,
            "interval": None,
            "validation": None,
            "training": None,
            "adaptation": None,
            "error": {"type": evil, "message": evil, "traceback": evil},
        }
        record["provenance"] |= {"cpu": evil, "log": "../../../etc/passwd"}

    name = "<b>&$\\frac{"
    suite = Synthetic(algorithms=(name, "maml"), title=evil, description=evil, suite="<i>x", change={("maml", 1, 0): complain})
    page = page_of(suite.write(tmp_path / "run"))
    assert not {"script", "img", "b", "i"} & {tag for tag, _ in page.elements}
    assert " ".join(evil.split()) in page.text
    assert name in page.text
    assert "root:" not in page.text


def test_same_records_give_the_same_bytes(tmp_path):
    folder = troubled().write(tmp_path / "run")
    first = {path.name: path.read_bytes() for path in [render(folder), *sorted((folder / "tables").iterdir())]}
    again = {path.name: path.read_bytes() for path in [render(folder), *sorted((folder / "tables").iterdir())]}
    assert first == again
    assert sorted(first) == ["cells.csv", "comparisons.csv", "groups.csv", "index.html"]


def test_troubles_are_told(tmp_path):
    folder = troubled().write(tmp_path / "run")
    (folder / "records" / "stranger-0123456789ab.json").write_text("{}")
    page = page_of(folder)
    for told in ("Out of memory", "Timeout", "Diverged", "Damaged", "stranger-0123456789ab.json", "4 of 5", "35 of 40", "RuntimeError: boom"):
        assert told in page.text
    assert "warning: learning rate <b>0.4</b> is high" in page.text
    assert str(tmp_path) not in html.unescape(page.text)


def test_nothing_half_written_is_left(tmp_path):
    folder = Synthetic(shots=(1,)).write(tmp_path / "run")
    render(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["cells.json", "index.html", "records", "suite.toml", "tables"]


def test_not_a_run_folder(tmp_path):
    with pytest.raises(FolderError):
        render(tmp_path)
    assert list(tmp_path.iterdir()) == []
