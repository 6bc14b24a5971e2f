"""All pairs: a family of its own, and the letters of its tie groups."""

import pytest
from synthetic_run import Synthetic

from metabench.tables import load, rows

BASE = [0.80, 0.82, 0.84, 0.83, 0.81, 0.80, 0.82]
WOBBLE = [0.001, -0.002, 0.002, -0.001, 0.001, -0.001, 0.0]
SEEDS = tuple(range(7))


def moved(by, times=1):
    return [score + by + times * gap for score, gap in zip(BASE, WOBBLE, strict=True)]


def test_all_pairs_are_a_second_family(tmp_path):
    run = load(Synthetic(shots=(1,)).write(tmp_path / "run"))
    pairs = rows(run.pairs)
    assert [(row["algorithm"], row["reference_algorithm"]) for row in pairs] == [
        ("maml", "fomaml"),
        ("maml", "protonet"),
        ("maml", "scratch"),
        ("fomaml", "protonet"),
        ("fomaml", "scratch"),
        ("protonet", "scratch"),
    ]
    assert {row["family"] for row in pairs} == {"accuracy of all pairs"}
    assert {row["family_size"] for row in pairs} == {6}
    least = min(pairs, key=lambda row: row["p"])
    assert least["p_holm"] == pytest.approx(6 * least["p"])
    assert {row["family_size"] for row in rows(run.comparisons)} == {3}
    run.write_csv()
    assert (run.folder / "tables" / "pairs.csv").exists()


def lettered(folder, change=None):
    """Prototypes lead, MAML and FOMAML are alike, training from scratch is far behind."""
    scores = {
        ("maml", 1): BASE,
        ("fomaml", 1): moved(0.0),
        ("protonet", 1): moved(0.05, 2),
        ("scratch", 1): moved(-0.2, 3),
    }
    suite = Synthetic(shots=(1,), seeds=SEEDS, scores=scores, change=change or {})
    table = rows(load(suite.write(folder)).groups)
    ranks = {row["algorithm"]: (row["rank_best"], row["rank_worst"]) for row in table}
    return {row["algorithm"]: row["letters"] for row in table}, ranks


def test_who_shares_a_letter_is_not_separated_and_the_best_has_the_first(tmp_path):
    letters, ranks = lettered(tmp_path / "run")
    assert letters == {"protonet": "a", "maml": "b", "fomaml": "b", "scratch": "c"}
    assert ranks == {"protonet": (1, 1), "maml": (2, 3), "fomaml": (2, 3), "scratch": (4, 4)}


def test_who_lost_a_cell_is_set_apart_from_nobody_behind_it(tmp_path):
    letters, ranks = lettered(tmp_path / "run", {("protonet", 1, 6): "failed"})
    assert set(letters["protonet"]) & set(letters["maml"])
    assert set(letters["protonet"]) & set(letters["scratch"])
    assert not set(letters["maml"]) & set(letters["scratch"])
    assert ranks == {"protonet": (1, 4), "maml": (1, 3), "fomaml": (1, 3), "scratch": (3, 4)}


def test_without_a_test_there_are_no_letters(tmp_path):
    run = load(Synthetic(shots=(1,), seeds=(0, 1, 2)).write(tmp_path / "run"))
    assert {(row["letters"], row["rank_best"]) for row in rows(run.groups)} == {(None, None)}


def test_of_errors_the_least_has_the_first_rank(tmp_path):
    scores = {("maml", 1): BASE, ("scratch", 1): moved(0.2)}
    suite = Synthetic(
        algorithms=("maml", "scratch"), shots=(1,), seeds=SEEDS, scores=scores, ways=None
    )
    table = rows(load(suite.write(tmp_path / "run")).groups)
    assert {row["algorithm"]: row["rank_worst"] for row in table} == {"maml": 1, "scratch": 2}
