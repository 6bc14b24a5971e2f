"""Published figures beside ours: of exactly the same setting, with where one more training of ours
would land."""

import importlib
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from synthetic_run import Synthetic

from metabench.published import published
from metabench.tables import beside, load

room = importlib.import_module("metabench.tables.beside")  # the package has a function so called
SCORES = {("maml", 1): [0.95, 0.96, 0.955, 0.965, 0.95]}


def found(folder, **settings):
    run = load(Synthetic(**{"shots": (1,), "scores": SCORES} | settings).write(folder / "run"))
    return list(beside(run.rows.cells, run.rows.groups, run.confidence))


def test_the_interval_is_that_of_one_more_training_with_the_source_s_own_error(tmp_path):
    (one, *_) = (row for row in found(tmp_path) if "agnostic" in row.figure.source.title)
    scores = np.array(SCORES["maml", 1])
    error = 0.004 / 1.96  # 98.7 ± 0.4 over episodes
    half = stats.t.ppf(0.975, 4) * math.hypot(scores.std(ddof=1) * math.sqrt(1.2), error)
    assert one.figure.value == 0.987
    assert (one.group.algorithm, one.verdict) == ("maml", "above")
    assert (one.low, one.high) == pytest.approx((scores.mean() - half, scores.mean() + half))


def held(monkeypatch, folder, scores, figure, **settings):
    """Our scores of MAML beside one figure that this makes up."""
    monkeypatch.setattr(room, "find", lambda setting: [figure])
    (one,) = found(folder, algorithms=("maml",), scores={("maml", 1): scores}, **settings)
    return one


def figure(value, half_width, spread, seeds=None):
    known = next(one for one in published() if one.setting.method == "maml")
    return replace(known, value=value, half_width=half_width, spread=spread, seeds=seeds)


@pytest.mark.parametrize(
    ("spread", "seeds", "error", "told"),
    [
        ("episodes", None, 0.02 / 1.96, ""),
        ("seeds", 3, 0.02 / stats.t.ppf(0.975, 2), ""),
        ("seeds", None, 0.0, "over how many seeds its ± is, nobody says"),
        ("sd", 4, 0.02 / 2, ""),
        ("sd", None, 0.0, "over how many seeds its ± is, nobody says"),
        ("unknown", 3, 0.0, "what its ± is, nobody says"),
    ],
)
def test_the_error_of_a_figure_is_known_where_its_seeds_are(
    tmp_path, monkeypatch, spread, seeds, error, told
):
    scores = np.array(SCORES["maml", 1])
    one = held(monkeypatch, tmp_path, scores.tolist(), figure(0.9, 0.02, spread, seeds))
    half = stats.t.ppf(0.975, 4) * math.hypot(scores.std(ddof=1) * math.sqrt(1.2), error)
    low, high = scores.mean() - half, min(1.0, scores.mean() + half)
    assert (one.low, one.high) == pytest.approx((low, high))
    assert any(words.startswith(told) for words in one.differs) if told else not one.differs


def test_errors_are_predicted_on_logarithms(tmp_path, monkeypatch):
    """On the scale of the errors themselves the interval would reach below 0."""
    scores = np.array([0.1, 0.9, 0.2, 0.4, 0.15])
    one = held(monkeypatch, tmp_path, scores.tolist(), figure(2.5, 0.1, "episodes"), ways=None)
    logs = np.log(scores)
    error = 0.1 / 1.96 / 2.5  # of the logarithm, to the first order
    half = stats.t.ppf(0.975, 4) * math.hypot(logs.std(ddof=1) * math.sqrt(1.2), error)
    expected = np.exp([logs.mean() - half, logs.mean() + half])
    assert (one.low, one.high) == pytest.approx(tuple(expected))
    assert one.verdict == "compatible"
    raw = stats.t.ppf(0.975, 4) * scores.std(ddof=1) * math.sqrt(1.2)
    assert scores.mean() - raw < 0 < one.low
    assert scores.mean() + raw < 2.5 < one.high


def test_only_figures_of_the_same_method_data_shape_and_network_stand_beside_ours(tmp_path):
    rows = found(tmp_path)
    settings = {(row.figure.setting.method, row.figure.setting.dataset) for row in rows}
    assert settings == {("maml", "omniglot"), ("fomaml", "omniglot"), ("protonet", "omniglot")}
    for row in rows:
        assert (row.figure.setting.ways, row.figure.setting.shots) == (5, 1)
        assert row.figure.certainty != "unverified"
    assert found(tmp_path / "other", dataset="glyphs") == []


def test_one_seed_has_no_interval_and_no_verdict(tmp_path):
    rows = found(tmp_path, seeds=(0,), scores={})
    assert rows
    assert {(row.low, row.verdict) for row in rows} == {(None, "not judged")}


def test_what_differs_is_said(tmp_path):
    rows = found(tmp_path)
    told = {row.figure: row.differs for row in rows}
    assert {one.variant for one in told if one.variant} <= {
        word for words in told.values() for word in words
    }
    for one, words in told.items():
        silent = one.transductive is None
        assert ("the source does not say whether it is transductive" in words) == silent
    assert set(told) <= set(published())
