"""What the panels draw: nothing beyond the scale of a score, and nothing by an id."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.collections import PolyCollection
from synthetic_run import Synthetic

from metabench.quantities import PEAK_ABOVE, TRAINING_SECONDS
from metabench.report import courses, panels
from metabench.report.axis import Axis
from metabench.report.blocks import Mark, blocks_of
from metabench.report.canvas import panel
from metabench.report.marks import interval, name_ends
from metabench.report.svg import Pen
from metabench.tables import curves, load
from metabench.tables.typed_rows import Metric

FRACTION = Metric("accuracy", "fraction", True, 0.2)
ERROR = Metric("mse", "squared units", False)
GAIN = Metric("return", "points", True)
WIDE = {("maml", 1): [0.99, 0.70], ("fomaml", 1): [0.55, 0.98]}


@pytest.fixture
def drawn(monkeypatch):
    """The key of every panel that is drawn, its lines, its bands and what it shows of its axes."""
    found = []

    def inline(self, figure, key, title, description):
        (ax,) = figure.axes
        lines = [line.get_xydata() for line in ax.lines]
        bands = [
            path.vertices
            for band in ax.collections
            if isinstance(band, PolyCollection)
            for path in band.get_paths()
        ]
        found.append((key, lines, bands, (ax.get_xlim(), ax.get_ylim())))
        return "<svg/>"

    monkeypatch.setattr(Pen, "inline", inline)
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
    low, high = Axis.of(metric, scores).ends([-9.0, 0.5], [9.0, 0.6])
    factor = 100 if metric is FRACTION else 1
    assert low.tolist() == [max(least, -9.0 * factor), 0.5 * factor]
    assert high.tolist() == [min(most, 9.0 * factor), 0.6 * factor]


def draw_all(run):
    (block,) = blocks_of(run)
    panels.seeds_panel(Pen(), block, run.rows.cells)
    panels.forest_panel(Pen(), block)
    panels.cost_panel(Pen(), block, TRAINING_SECONDS, "training time")
    for kind in courses.TITLES:
        courses.curve_panel(Pen(), block, curves(run), kind, "x", run.rows.cells)


def test_two_seeds_far_apart_draw_nothing_beyond_a_hundred_per_cent(tmp_path, drawn):
    """Their t intervals would reach from -130 to 300 %, and end with the scale."""
    folder = Synthetic(algorithms=("maml", "fomaml"), shots=(1,), seeds=(0, 1), scores=WIDE).write(
        tmp_path / "run"
    )
    run = load(folder)
    (block,) = blocks_of(run)
    assert all((group.score.low, group.score.high) == (0.0, 1.0) for group in block.groups)
    draw_all(run)
    (_, bars, _, _), _, (_, upright, _, _), *curved = drawn
    whiskers = [x for bar in bars if len(bar) == 2 for x in bar[:, 0]]
    whiskers += [y for bar in upright if len(bar) == 2 for y in bar[:, 1]]
    assert 0.0 <= min(whiskers) < max(whiskers) <= 100.0
    areas = np.concatenate([area for _, _, found, _ in curved for area in found])
    assert (areas[:, 1].min(), areas[:, 1].max()) == (0.0, 100.0)


def test_an_interval_that_is_cut_ends_in_an_arrowhead():
    with panel() as (_, ax):
        ax.set_xlim(0, 10)
        interval(ax, 1.0, -5.0, 7.0, (0.0, 10.0), "black")
        line, *ends = ax.lines
        assert line.get_xdata().tolist() == [0.0, 7.0]
        assert [(*end.get_xdata(), end.get_marker()) for end in ends] == [(0.0, "<"), (7.0, "|")]


@given(
    st.lists(st.floats(0.01, 0.99), min_size=1, max_size=6),
    st.floats(0, 50),
    st.booleans(),
)
def test_a_window_shows_all_points_and_no_interval_hides_them(points, reach, log):
    axis = Axis("", log=log, least=0.0)
    long = [(point * (1 + reach) - reach, point + reach) for point in points[:1]]
    low, high = axis.window(points, long)
    assert low < min(points) <= max(points) < high
    if len(points) > 2:  # one long interval among points: these still fill a good part
        others = [(point, point) for point in points[1:]]
        low, high = Axis("").window(points, [*long, *others])
        span = max(points) - min(points)
        assert high - low <= 1.13 * (1 + 2 * 1.5) * span + 1e-9 or span == 0


def test_an_oracle_far_from_the_others_does_not_stretch_their_axis(tmp_path, drawn):
    def privileged(entry):
        entry["privileged"] = entry["labels"]["algorithm"] == "fomaml"

    class Told(Synthetic):
        def entries(self):
            for entry in super().entries():
                privileged(entry)
                yield entry

    scores = {("maml", 1): [0.51, 0.50, 0.52, 0.50, 0.51], ("fomaml", 1): [0.999] * 5}
    scores[("scratch", 1)] = [0.47, 0.48, 0.48, 0.47, 0.49]
    suite = Told(algorithms=("maml", "fomaml", "scratch"), shots=(1,), scores=scores)
    draw_all(load(suite.write(tmp_path / "run")))
    for key, _, _, (x, y) in drawn[:3]:
        high = max(y if key.endswith("seconds") else x)
        assert high < 70, key


def test_the_front_holds_those_that_none_is_better_and_cheaper_than(tmp_path):
    scores = {
        ("maml", 1): [0.9] * 4 + [0.91],
        ("fomaml", 1): [0.8] * 4 + [0.81],
        ("protonet", 1): [0.7] * 4 + [0.71],
        ("scratch", 1): [0.95] * 4 + [0.96],
    }
    (block,) = blocks_of(load(Synthetic(shots=(1,), scores=scores).write(tmp_path / "run")))
    costs = {"maml": 3.0, "fomaml": 1.0, "protonet": 2.0, "scratch": 4.0}
    known = [(group, costs[group.name]) for group in block.ranked]
    assert [group.name for group, _ in panels.pareto(known)] == ["fomaml", "maml", "scratch"]


def test_names_at_the_ends_of_lines_keep_their_order_and_stay_apart():
    with panel() as (_, ax):
        ax.set_ylim(0, 1)
        marks = [(0.5 + 0.001 * place, f"name {place}", Mark(place)) for place in range(8)]
        name_ends(ax, marks)
        heights = {text.get_text(): text.get_position()[1] for text in ax.texts}
        order = sorted(heights, key=heights.get)
        assert order == [name for _, name, _ in marks]
        gaps = np.diff([heights[name] for name in order])
        assert gaps.min() > 0.07
        assert max(heights.values()) < 1.1


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
    for one in (odd, run):
        draw_all(one)
    half = len(drawn) // 2
    for (key, lines, bands, axes), (other, same_lines, same_bands, same_axes) in zip(
        drawn[:half], drawn[half:], strict=True
    ):
        assert (key, axes) == (other, same_axes)
        for ours, theirs in ((lines, same_lines), (bands, same_bands)):
            assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def adapted(record):
    """The second step counts, though the curve goes on."""
    record["result"] |= {
        "score": 0.9,
        "adaptation": {"steps": [0, 1, 2, 5], "score": [0.2, 0.5, 0.9, 0.8]},
    }
    record["result"]["choice"] = {"step": 2, "settings": {}}


def test_a_ring_marks_the_score_that_counts_at_its_step(tmp_path, monkeypatch):
    rings = []

    def inline(self, figure, key, title, description):
        rings.extend(
            (line.get_xdata()[0], line.get_ydata()[0])
            for line in figure.axes[0].lines
            if line.get_markerfacecolor() == "none"
        )
        return "<svg/>"

    monkeypatch.setattr(Pen, "inline", inline)
    change = {("maml", 1, seed): adapted for seed in range(5)}
    run = load(Synthetic(algorithms=("maml",), shots=(1,), change=change).write(tmp_path / "run"))
    (block,) = blocks_of(run)
    courses.curve_panel(Pen(), block, curves(run), "adaptation", "steps", run.rows.cells)
    assert rings == [(2, pytest.approx(90.0))]


def test_scores_over_shots_are_those_of_blocks_that_differ_in_nothing_else(tmp_path, drawn):
    run = load(Synthetic(algorithms=("maml", "fomaml"), shots=(5, 1)).write(tmp_path / "run"))
    blocks = blocks_of(run)
    assert len({block.besides_shots for block in blocks}) == 1
    assert courses.shots_panel(Pen(), "omniglot", blocks)
    assert courses.shots_panel(Pen(), "omniglot", blocks[:1]) is None
    lines = [line for line in drawn[0][1] if line[:, 0].tolist() == [1, 5]]
    means = {
        (block.shots, group.name): 100 * group.score.value
        for block in blocks
        for group in block.groups
    }
    told = [[means[shots, name] for shots in (1, 5)] for name in ("maml", "fomaml")]
    assert [line[:, 1].tolist() for line in lines if line[0, 1] != line[1, 1]][:2] == [
        pytest.approx(values) for values in told
    ]


def test_memory_that_hardly_differs_is_not_drawn(tmp_path):
    def peak(mebibytes):
        above = {"training": mebibytes * 2**20, "test": None}
        return lambda record: record["measured"].update(peak_resident_above_bytes=above)

    for other, seen in ((105, False), (150, True)):
        change = {("maml", 1, seed): peak(100) for seed in range(5)}
        change |= {("fomaml", 1, seed): peak(other) for seed in range(5)}
        suite = Synthetic(algorithms=("maml", "fomaml"), shots=(1,), change=change)
        (block,) = blocks_of(load(suite.write(tmp_path / str(other))))
        assert bool(panels.cost_panel(Pen(), block, PEAK_ABOVE, "memory")) == seen
