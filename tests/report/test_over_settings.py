"""The section over settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from settings_run import ranked_run, settings_run
from synthetic_run import Synthetic

from metabench.report.blocks import blocks_of
from metabench.report.over_settings import Over, overs_of
from metabench.report.page import page
from metabench.report.svg import Pen
from metabench.tables import load


def told_of(folder: Path) -> Sequence[Over]:
    run = load(folder)
    return overs_of(Pen(), run, blocks_of(run))


def test_the_section_is_there_where_there_are_settings_enough(tmp_path: Path) -> None:
    there = page(load(Synthetic().write(tmp_path / "there")))
    assert '<section id="over_settings">' in there
    assert 'href="#over_settings"' in there
    assert "they are no sample of anything" in there
    assert (
        "over_settings"
        not in page(load(Synthetic(shots=(1,)).write(tmp_path / "one"))).split("</style>")[1]
    )


def test_the_best_stands_first_and_what_did_not_complete_last(tmp_path: Path) -> None:
    run = Synthetic(
        change={("protonet", 5, 0): "diverged"},
        scores={("protonet", 1): (0.999,) * 5, ("protonet", 5): (0.999,) * 5},
    )
    (over,) = told_of(run.write(tmp_path / "run"))
    assert [line.name for line in over.lines] == ["maml", "fomaml", "scratch", "protonet"]
    told = page(load(tmp_path / "run"))
    assert "1 of 10 cells did not complete (1 diverged): no number over settings" in told


def test_errors_stand_from_the_smallest(tmp_path: Path) -> None:
    scores = {
        (name, shots): (level,) * 5
        for shots in (1, 5)
        for name, level in {"maml": 0.4, "fomaml": 0.8, "protonet": 0.2, "scratch": 1.6}.items()
    }
    run = Synthetic(ways=None, dataset="sinusoid", scores=scores)
    (over,) = told_of(run.write(tmp_path / "run"))
    assert [line.name for line in over.lines] == ["protonet", "maml", "fomaml", "scratch"]
    assert over.unit == "MSE, × the reference’s"
    assert "each is divided by that of maml at the same seed" in " ".join(over.about)
    (improvement, *_) = over.drawings
    told = ElementTree.fromstring(improvement[1]).findtext("{http://www.w3.org/2000/svg}desc")
    assert told is not None
    assert told.startswith("protonet 100\N{NARROW NO-BREAK SPACE}% [")


def test_ranks_are_drawn_from_eight_data_sets_on(tmp_path: Path) -> None:
    (over,) = told_of(ranked_run(tmp_path / "many"))
    titles = [title for title, _ in over.drawings]
    assert titles[-1] == "Average rank, 1 being the best; told apart where whiskers do not meet"
    about = " ".join(over.about)
    assert "Two are told apart where their ranks differ by 1.25 (Nemenyi)" in about
    assert "two of one source would count twice" in about
    (few,) = told_of(ranked_run(tmp_path / "few", datasets=7))
    assert len(few.drawings) == 2
    assert "these settings are of 7 data sets, and the test needs 8" in " ".join(few.about)


def test_without_a_difference_no_critical_one_is_drawn(tmp_path: Path) -> None:
    (over,) = told_of(ranked_run(tmp_path / "run", datasets=8))
    assert over.found.ranks is not None
    assert over.found.ranks.p is not None
    is_found = over.found.ranks.p <= 0.05
    assert ("no critical difference is drawn" in " ".join(over.about)) is not is_found
    assert over.drawings[-1][0].endswith("do not meet") is is_found


def test_of_other_ways_it_is_said_what_scores_are_put_on(tmp_path: Path) -> None:
    parts = [Synthetic(shots=(1,)), Synthetic(shots=(1,), ways=20)]
    (over,) = told_of(settings_run(tmp_path / "run", parts))
    assert over.unit == "Accuracy, % above chance"
    assert "(score − chance) / (1 − chance)" in " ".join(over.about)
