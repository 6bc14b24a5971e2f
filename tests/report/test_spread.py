"""The section on where the spread over seeds comes from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from seeded_run import SCORES, seeded_run
from synthetic_run import Synthetic

from metabench import stats
from metabench.report.blocks import blocks_of
from metabench.report.citation import paragraph
from metabench.report.first_screen import first_screen
from metabench.report.headline import headline
from metabench.report.page import page
from metabench.report.spread import Over, spreads_of
from metabench.report.svg import Pen
from metabench.tables import load


def test_each_component_stands_before_all_together(tmp_path: Path) -> None:
    run = load(seeded_run(tmp_path / "run", algorithms=("maml", "protonet")))
    (spread,) = spreads_of(Pen(), run, blocks_of(run))
    assert spread.title == "omniglot · 5-way 1-shot"
    assert spread.unit == "points"
    assert [over.told for over in spread.overs] == [
        "initial weights",
        "training data",
        "test episodes",
        "class split with its episodes",
        "all three together",
    ]
    assert [[group.name for group, _ in over.rows] for over in spread.overs] == [
        ["maml", "protonet"]
    ] * 5


def test_the_drawing_tells_its_numbers_in_words(tmp_path: Path) -> None:
    run = load(seeded_run(tmp_path / "run"))
    (spread,) = spreads_of(Pen(), run, blocks_of(run))
    found = stats.spread_interval(SCORES["init"])
    assert found.interval is not None
    low, high = (100 * end for end in found.interval)
    told = ElementTree.fromstring(spread.drawing).findtext("{http://www.w3.org/2000/svg}desc")
    assert told is not None
    assert f"initial weights: maml {100 * found.estimate:.1f} [{low:.1f}, {high:.0f}]" in told


def test_the_page_has_the_section_where_there_is_something_to_tell(tmp_path: Path) -> None:
    there = page(load(seeded_run(tmp_path / "there")))
    assert '<section id="spread">' in there
    assert "over initial weights alone: training data and test episodes are the same" in there
    assert 'id="spread"' not in page(load(Synthetic().write(tmp_path / "not")))


def test_the_paragraph_says_what_a_seed_changes(tmp_path: Path) -> None:
    run = load(Synthetic().write(tmp_path / "run"))
    told = paragraph(run, blocks_of(run), {})
    assert "With the seed changed initial weights, training data and test episodes." in told
    run = load(seeded_run(tmp_path / "apart"))
    assert "Settings differ in what follows the seed" in paragraph(run, blocks_of(run), {})


def test_the_first_screen_answers_from_whole_trainings(tmp_path: Path) -> None:
    run = load(seeded_run(tmp_path / "run", algorithms=("maml", "protonet")))
    blocks = blocks_of(run)
    whole = [block for block in blocks if not block.is_held]
    assert (len(blocks), len(whole)) == (5, 1)
    told = first_screen(run, blocks, {}, [])
    assert told["headline"] == headline(whole, run.info["reference"])
    assert "settings" not in " ".join(told["headline"])


def test_what_diverged_is_told_first(tmp_path: Path) -> None:
    lost = {("maml", 1, seed): "diverged" for seed in range(5)}
    run = load(Synthetic(change=lost).write(tmp_path / "run"))
    (first, *_) = first_screen(run, blocks_of(run), {}, [])["warnings"]
    assert first == "Diverged: maml in 5 of 5 seeds on omniglot · 5-way 1-shot."


def test_rows_that_are_held_at_other_seeds_can_be_told_apart(tmp_path: Path) -> None:
    run = load(seeded_run(tmp_path / "run"))
    (spread,) = spreads_of(Pen(), run, blocks_of(run))
    ((group, row),) = spread.overs[0].rows
    other = replace(row, held={**row.held, "test": 1})
    alike = Over("initial weights", [(group, row), (group, other)])
    assert [alike.held(*one) for one in alike.rows] == [
        "test episodes at seed 0",
        "test episodes at seed 1",
    ]
    assert spread.overs[0].held(group, row) == ""
