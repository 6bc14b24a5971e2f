"""Published figures beside ours: of exactly the same setting, with where one more training of ours
would land."""

import math

import numpy as np
import pytest
from scipy import stats
from synthetic_run import Synthetic

from metabench.published import published
from metabench.tables import beside, load

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
