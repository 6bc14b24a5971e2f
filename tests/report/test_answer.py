"""The first sentences say what the tables say, and no more."""

from synthetic_run import Synthetic

from metabench.report import words
from metabench.report.answer import answer, headline
from metabench.report.blocks import blocks_of
from metabench.tables import load

BASE = [0.90, 0.91, 0.93, 0.92, 0.90]


def sentences(folder, scores, **settings):
    algorithms = tuple(dict.fromkeys(algorithm for algorithm, _ in scores))
    shots = tuple(dict.fromkeys(shots for _, shots in scores))
    blocks = blocks_of(load(Synthetic(algorithms=algorithms, shots=shots, scores=scores, **settings).write(folder / "run")))
    return [sentence.replace(words.NBSP, " ") for sentence in (*headline(blocks, "maml"), answer(blocks[0], "maml"))]


def test_a_clear_lead(tmp_path):
    better = [0.951, 0.957, 0.98, 0.969, 0.95]
    first, _ = sentences(tmp_path, {("maml", 1): BASE, ("protonet", 1): better})
    assert first.startswith("On omniglot · 5-way 1-shot: protonet has the best mean: 96.14 %")
    assert "4.94 points above the reference maml (p < 0.001, Holm over 1)" in first


def test_a_lead_that_could_be_chance(tmp_path):
    first, _ = sentences(tmp_path, {("maml", 1): BASE, ("protonet", 1): [0.92, 0.90, 0.95, 0.91, 0.91]})
    assert "not separated from it" in first
    assert "5 seeds could have found" in first


def test_the_reference_leads(tmp_path):
    worse = [score - 0.1 - 0.001 * place for place, score in enumerate(BASE)]
    level = [0.89, 0.92, 0.92, 0.92, 0.90]
    scores = {(name, shots): values for shots in (1, 5) for name, values in (("maml", BASE), ("fomaml", level), ("scratch", worse))}
    first, second, one = sentences(tmp_path, scores)
    assert first == "maml, the reference, has the best mean in both settings."
    assert second == "fomaml is not separated from it; scratch is behind it by 10.20 points."
    assert "scratch is behind it; fomaml is not separated from it." in one


def test_nobody_leads_everywhere(tmp_path):
    high = [score + 0.03 for score in BASE]
    first, second, _ = sentences(tmp_path, {("maml", 1): BASE, ("fomaml", 1): high, ("maml", 5): high, ("fomaml", 5): BASE})
    assert first == "No algorithm leads everywhere: of 2 settings, fomaml leads in 1 and maml leads in 1."
    assert second == "Of 2 comparisons with maml, 2 could not be tested."  # every pair differs by the same amount


def test_few_seeds_are_not_sold_as_a_test(tmp_path):
    first, _ = sentences(tmp_path, {("maml", 1): BASE[:3], ("protonet", 1): [0.95, 0.97, 0.96]}, seeds=(0, 1, 2))
    assert "descriptive, not tested" in first
    assert "p " not in first.split("reference")[1]


def test_tie(tmp_path):
    first, _ = sentences(tmp_path, {("maml", 1): BASE, ("fomaml", 1): BASE})
    assert "maml and fomaml share the best mean" in first
