"""All pairs of a block in a square: each pair once each way, the two ways agreeing."""

import pytest
from synthetic_run import Synthetic

from metabench.report.blocks import blocks_of
from metabench.report.pairs import OPPOSITE, squares_of
from metabench.report.words import MINUS, ranks, ratio
from metabench.tables import load

LINEAR = {
    ("maml", 1): [0.50, 0.52, 0.51, 0.53, 0.50],
    ("fomaml", 1): [0.60, 0.61, 0.63, 0.60, 0.62],
    ("protonet", 1): [0.60, 0.64, 0.61, 0.59, 0.63],
}


def squares(folder, **settings):
    run = load(Synthetic(shots=(1,), **settings).write(folder / "run"))
    return run, squares_of(run, blocks_of(run))


def test_both_sides_of_the_diagonal_agree(tmp_path):
    names = ("maml", "fomaml", "protonet")
    run, (square,) = squares(tmp_path, algorithms=names, scores=LINEAR)
    groups = [group.name for group, _ in square.lines]
    assert sorted(groups) == sorted(names)
    for at, (_, line) in enumerate(square.lines):
        assert line[at] is None
        for other, met in enumerate(line):
            if other != at:
                back = square.lines[other][1][at]
                assert back.verdict == OPPOSITE.get(met.verdict, met.verdict)
                assert back.p == met.p
                assert {back.found[0], met.found[0]} == {"+", MINUS}
                assert back.found[1:] == met.found[1:]
    found = {
        (groups[at], groups[other]): met.verdict
        for at, (_, line) in enumerate(square.lines)
        for other, met in enumerate(line)
        if met
    }
    assert found["fomaml", "maml"] == "better"
    assert found["maml", "protonet"] == "worse"
    assert found["fomaml", "protonet"] == "not separated"
    assert len(run.rows.pairs) == 3
    told = {group.name: ranks(group) for group, _ in square.lines}
    assert told == {"fomaml": "rank 1 to 2", "protonet": "rank 1 to 2", "maml": "rank 3"}


def test_ratios_are_turned_and_not_negated(tmp_path):
    names = ("maml", "fomaml", "scratch")
    run, (square,) = squares(tmp_path, ways=None, dataset="sinusoid", algorithms=names)
    groups = {group.group: at for at, (group, _) in enumerate(square.lines)}
    for row in run.rows.pairs:
        one, other = groups[row.group.group], groups[row.reference.group]
        assert square.lines[one][1][other].found.endswith(ratio(row.ratio))
        assert square.lines[other][1][one].found.endswith(ratio(1 / row.ratio))


@pytest.mark.parametrize("names", [("maml",), ("maml", "fomaml")])
def test_two_are_told_by_the_comparison_with_the_reference_alone(tmp_path, names):
    assert squares(tmp_path, algorithms=names)[1] == []
