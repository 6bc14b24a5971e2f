"""What the panels draw: nothing beyond the scale of a score, and nothing by an id."""

import dataclasses

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PolyCollection
from synthetic_run import Synthetic

from metabench.quantities import TRAINING_SECONDS
from metabench.report import panels
from metabench.report.axis import Axis
from metabench.report.blocks import blocks_of
from metabench.tables import curves, load
from metabench.tables.typed_rows import Metric

FRACTION = Metric("accuracy", "fraction", True, 0.2)
ERROR = Metric("mse", "squared units", False)
GAIN = Metric("return", "points", True)
WIDE = {("maml", 1): [0.99, 0.70], ("fomaml", 1): [0.55, 0.98]}


@pytest.fixture
def drawn(monkeypatch):
    """The axes of every panel that is drawn, with what it holds."""
    found = []

    def inline(figure, key, title, description):
        (ax,) = figure.axes
        segments = [
            segment
            for bars in ax.collections
            if isinstance(bars, LineCollection)
            for segment in bars.get_segments()
        ]
        bands = [
            path.vertices
            for band in ax.collections
            if isinstance(band, PolyCollection)
            for path in band.get_paths()
        ]
        found.append((key, segments, bands))
        return "<svg/>"

    monkeypatch.setattr(panels.svg, "inline", inline)
    return found


@pytest.mark.parametrize(
    ("metric", "scores", "least", "most"),
    [
        (FRACTION, [0.2, 0.9], 0, 100),
        (ERROR, [0.1, 0.9], 0, np.inf),
        (ERROR, [-0.1, 0.9], -np.inf, np.inf),
        (ERROR, [], -np.inf, np.inf),
        (GAIN, [0.1, 0.9], -np.inf, np.inf),
    ],
)
def test_ends_of_intervals_stay_on_the_scale(metric, scores, least, most):
    low, high = Axis.of(metric, scores).ends([-9.0, 0.5], [9.0, 0.6], 0.01)
    factor = 100 if metric is FRACTION else 1
    assert low.tolist() == [max(least, -9.0 * factor), 0.5 * factor]
    assert high.tolist() == [min(most, 9.0 * factor), 0.6 * factor]


def test_on_a_logarithmic_scale_they_end_above_zero():
    axis = Axis.of(ERROR, [0.01, 0.9])
    assert axis.log
    assert axis.ends([-1.0], [2.0], 0.002)[0].tolist() == [0.002]


def test_two_seeds_far_apart_draw_nothing_beyond_a_hundred_per_cent(tmp_path, drawn):
    """Their t intervals would reach from -130 to 300 %, and end with the scale."""
    folder = Synthetic(algorithms=("maml", "fomaml"), shots=(1,), seeds=(0, 1), scores=WIDE).write(
        tmp_path / "run"
    )
    run = load(folder)
    (block,) = blocks_of(run)
    assert all((group.score.low, group.score.high) == (0.0, 1.0) for group in block.groups)
    panels.seeds_panel(block, run.rows.cells)
    panels.cost_panel(block, TRAINING_SECONDS, "training time")
    for kind in ("validation", "adaptation"):
        panels.curve_panel(block, curves(run), kind, "x")
    (_, bars, _), (_, upright, _), *bands = drawn
    ends = [x for bar in bars for x in bar[:, 0]] + [y for bar in upright for y in bar[:, 1]]
    assert {min(ends), max(ends)} == {0.0, 100.0}
    areas = np.concatenate([area for _, _, found in bands for area in found])
    assert (areas[:, 1].min(), areas[:, 1].max()) == (0.0, 100.0)


@pytest.mark.parametrize(
    "ids", [("20210101e000", "19991231"), ("123456789012", "000000000001"), ("1e5", "inf")]
)
@pytest.mark.filterwarnings("error")
def test_ids_that_look_like_dates_or_numbers_are_places_like_any_other(tmp_path, drawn, ids):
    run = load(Synthetic(algorithms=("maml", "fomaml"), shots=(1,)).write(tmp_path / "run"))
    named = dict(zip((group.group for group in run.rows.groups), ids, strict=True))

    def renamed(table):
        return [dataclasses.replace(row, group=named[row.group]) for row in table]

    rows = run.rows
    groups = renamed(rows.groups)
    by_id = {group.group: group for group in groups}
    comparisons = [
        dataclasses.replace(
            row,
            group=by_id[named[row.group.group]],
            reference=by_id[named[row.reference.group]],
        )
        for row in rows.comparisons
    ]
    odd = dataclasses.replace(
        run,
        rows=dataclasses.replace(
            rows, cells=renamed(rows.cells), groups=groups, comparisons=comparisons
        ),
    )
    (block,), (plain,) = blocks_of(odd), blocks_of(run)
    for one, of in ((block, odd), (plain, run)):
        panels.seeds_panel(one, of.rows.cells)
        panels.cost_panel(one, TRAINING_SECONDS, "training time")
        panels.curve_panel(one, curves(of), "validation", "iteration")
    half = len(drawn) // 2
    for (key, bars, bands), (other, same_bars, same_bands) in zip(
        drawn[:half], drawn[half:], strict=True
    ):
        assert key == other
        assert np.array_equal(bars, same_bars)
        assert all(np.array_equal(a, b) for a, b in zip(bands, same_bands, strict=True))
