"""What a comparison looks like in a terminal, in Markdown, as JSON and as HTML."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from rich.console import Console
from two_sides import side

from metabench.compare import FORMATS, Comparison, MarginPair, compare, print_page, written
from metabench.compare.pages import page_of_comparison
from metabench.compare.words import DASH, growth

BASE = [0.80, 0.81, 0.79, 0.82, 0.80]
HOSTILE = "<script>alert(1)</script>|*x*\x1b[31m"


@pytest.fixture
def found() -> Comparison:
    """A comparison with every verdict but one, and a name that wants to be markup."""
    baseline = dict.fromkeys(("same", "worse", "better", "fine", HOSTILE, "gone"), BASE)
    head: dict[str, list[float | str]] = {
        "same": [*BASE],
        "worse": [score - 0.1 + 0.001 * place for place, score in enumerate(BASE)],
        "better": [score + 0.1 + 0.001 * place for place, score in enumerate(BASE)],
        "fine": [score + 0.001 * place for place, score in enumerate(BASE)],
        HOSTILE: [*BASE[:4], "failed"],
    }
    return compare(side(baseline), side(head), MarginPair())


def told(found: Comparison, width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    print_page(page_of_comparison(found), console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_text_is_aligned_and_the_gravest_stands_first(found: Comparison) -> None:
    lines = told(found, 140).splitlines()
    assert lines[0] == "2 regressed, 1 refused, 1 improved, 1 fine, 1 identical"
    head = next(line for line in lines if line.startswith("  verdict"))
    row = next(line for line in lines if line.startswith("  regressed  worse"))
    end = head.index("baseline") + len("baseline")
    assert row[:end].endswith("80.40")
    assert "−9.80" in row
    assert next(line for line in lines if line.startswith("  regressed")) == row
    assert "  identical to the bit: same" in lines


@pytest.mark.parametrize("width", [20, 40, 59, 60, 80])
def test_text_fits_a_narrow_terminal(found: Comparison, width: int) -> None:
    text = told(found, width)
    assert max(map(len, text.splitlines())) <= width
    assert "regressed" in text
    assert "−9.80" in text


def test_json_has_a_schema_and_all_of_it(found: Comparison) -> None:
    told = json.loads(written(found, "json", 1))
    assert (told["schema"], told["kind"], told["exit_status"]) == (1, "compare", 1)
    assert told["counts"] == {
        "regressed": 2,
        "refused": 1,
        "improved": 1,
        "fine": 1,
        "identical": 1,
    }
    worse = next(group for group in told["groups"] if group["coordinates"]["algorithm"] == "worse")
    assert worse["verdict"] == "regressed"
    assert worse["score"]["estimate"] == pytest.approx(-0.098)
    assert worse["means"] == {"baseline": pytest.approx(0.804), "head": pytest.approx(0.706)}


class Tags(HTMLParser):
    """Whether every tag is closed, and which there are."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.links: list[Any] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_html_is_one_whole_page_that_asks_for_nothing_and_escapes_everything(
    found: Comparison,
) -> None:
    page = Tags()
    text = written(found, "html", 1)
    page.feed(text)
    assert page.open == []
    assert page.links == []
    assert "script" not in page.seen
    assert "&lt;script&gt;" in text


def test_markdown_tables_have_as_many_cells_as_columns(found: Comparison) -> None:
    lines = written(found, "markdown", 1).splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 2 + 5
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {8}
    assert not any("<script>" in line for line in lines)


@pytest.mark.parametrize("form", FORMATS)
def test_no_format_passes_on_what_a_terminal_would_obey(found: Comparison, form: Any) -> None:
    assert "\x1b" not in written(found, form, 1)


def test_what_is_said_of_many_groups_is_said_once() -> None:
    baseline = {f"a{number}": BASE for number in range(4)}
    head = {name: [score + 0.0001 for score in BASE] for name in baseline}
    found = compare(side(baseline, first=0), side(head, first=9), MarginPair())
    page = page_of_comparison(found)
    assert all(not row.notes for table in page.tables for row in table.rows)
    assert sum("no seed in common" in note for note in page.notes) == 1


def test_nothing_in_common_is_said() -> None:
    found = compare(side({}), side({"maml": BASE}), MarginPair())
    page = page_of_comparison(found)
    assert page.summary == "there is nothing to compare"
    assert "only in head: maml on glyphs" in page.notes


def test_seeds_as_far_apart_as_they_may_be_are_told_and_not_counted_through() -> None:
    """A list of all between them would take more memory than there is."""
    near, far = side({"maml": BASE[:2]}), side({"anil": BASE[:1]}, first=2**62)
    run = replace(near, groups={**near.groups, **far.groups})
    text = written(compare(run, run, MarginPair()), "text", 0)
    assert f"seeds 0, 1, {2**62}" in text
    run = side({"maml": BASE})
    assert "seeds 0–4" in written(compare(run, run, MarginPair()), "text", 0)


def test_memory_of_a_few_mebibytes_has_no_growth_worth_a_word() -> None:
    mebibyte = 2.0**20
    assert growth((1 * mebibyte, 2 * mebibyte)) == DASH
    assert growth((100 * mebibyte, 110 * mebibyte)) == "+10 %"
