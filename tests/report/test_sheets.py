"""Episodes to look at: those of the records, the same for all algorithms, with every mistake
marked."""

import base64
import html
import io
import json
import re

import numpy as np
import pytest
from PIL import Image
from synthetic_run import Synthetic, images, waves

from metabench import registry
from metabench.report import render
from metabench.report.blocks import blocks_of
from metabench.report.sheets import sheets_of
from metabench.report.svg import Pen
from metabench.tables import kept, known_figures, load, rows, shown

WAVES = {
    "ways": None,
    "dataset": "sinusoid",
    "algorithms": ("maml", "protonet"),
    "shots": (1,),
    "figures": True,
}
IMAGES = {"algorithms": ("maml", "protonet"), "shots": (1,), "figures": True}


def sheets(folder):
    run = load(folder)
    return sheets_of(Pen(), run, blocks_of(run))


def rewrite(folder, stem, arrays, within="figures"):
    """Give the records whose names begin with `stem` other arrays, as records of before figures had
    names kept them."""
    for path in folder.glob(f"records/{stem}*.npz"):
        np.savez(path, **{f"{within}/{name}": array for name, array in arrays.items()})


def picture(drawing):
    (address,) = re.findall(r"data:image/png;base64,([^\"]+)", drawing)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address))))


def test_a_sheet_of_images_shows_the_pixels_of_the_record(tmp_path):
    (sheet,) = sheets(Synthetic(**IMAGES).write(tmp_path / "run"))
    support, maml, protonet = sheet.panels
    assert (support.mark, maml.name, protonet.name, sheet.seed, sheet.wide) == (
        None,
        "maml",
        "protonet",
        0,
        True,
    )
    kept, drawn = images(5, 1, 1, 0), picture(support.drawing)
    assert drawn.shape == (2 * 5 * 6, (1 + 4) * 6)
    for episode in range(2):
        for c in range(5):
            row = drawn[(5 * episode + c) * 6 :][:6]
            assert np.array_equal(row[:, :6], kept["support_x"][episode, c, :, :, 0])
            for query in range(4):
                assert np.array_equal(
                    row[:, 6 * (query + 1) :][:, :6],
                    kept["query_x"][episode, 4 * c + query, :, :, 0],
                )
    assert maml.drawing.count("<use ") == 40
    assert support.drawing.count("<use ") == 10
    assert "data:" not in maml.drawing + protonet.drawing  # one picture a sheet


def test_every_mistake_is_marked_and_told(tmp_path):
    folder = Synthetic(**IMAGES).write(tmp_path / "run")
    (sheet,) = sheets(folder)
    for panel in sheet.panels[1:]:
        assert panel.caption == "38 of 40 shown are right"
        assert panel.drawing.count('class="wrong"') == 2
        assert (
            "episode 1, class A: query 1 taken for B; episode 2, class A: query 1 taken for B"
            in panel.drawing
        )
    right = images(5, 1, 1, 0)
    rewrite(folder, "protonet", right | {"prediction": right["query_y"][:, None]})
    assert sheets(folder)[0].panels[2].caption == "40 of 40 shown are right"


def test_the_prediction_is_that_of_the_step_that_counts(tmp_path):
    """Two steps of five, on validation or by the method's own settings, and only there is every
    query right."""

    def chosen(record):
        record["result"] |= {
            "score": 0.9,
            "adaptation": {"steps": [0, 1, 2, 5], "score": [0.2, 0.9, 0.9, 0.9]},
        }
        record["result"]["choice"] = {"step": 2, "settings": {}, "validation_score": 0.8}

    def fixed(record):
        record["result"] |= {
            "score": 0.9,
            "choice": None,
            "adaptation": {"steps": [0, 1, 2, 5], "score": [0.2, 0.5, 0.9, 0.8]},
        }

    kept = images(5, 1, 4, 0)
    kept["prediction"][:, 2] = kept["query_y"]
    for change in (chosen, fixed):
        folder = Synthetic(
            **IMAGES | {"algorithms": ("maml",)}, seeds=(0,), change={("maml", 1, 0): change}
        ).write(tmp_path / change.__name__)
        rewrite(folder, "maml", kept)
        run = load(folder)
        (one,) = shown(run, run.groups["block"][0], known_figures(lambda error: None))[0].kept
        assert (one.steps, one.final) == ((0, 1, 2, 5), 2)
        assert sheets(folder)[0].panels[1].caption == "40 of 40 shown are right"


def test_waves_are_drawn_before_during_and_after_adaptation(tmp_path):
    (sheet,) = sheets(Synthetic(**WAVES).write(tmp_path / "run"))
    assert [(panel.name, panel.caption) for panel in sheet.panels] == [
        ("maml", "after 0, 1 and 10 steps"),
        ("protonet", "without adaptation"),
    ]
    assert (
        "2 test episodes: the true curve, 10 given points, and the prediction after 0, 1 and 10 "
        "steps" in sheet.panels[0].drawing
    )


def test_a_method_that_is_told_more_is_drawn_over_the_first_column(tmp_path):
    folder = Synthetic(**WAVES).write(tmp_path / "run")
    rewrite(folder, "protonet", waves(1, 0, told=True))
    (sheet,) = sheets(folder)
    assert [panel.name for panel in sheet.panels] == ["maml", "protonet"]
    rewrite(folder, "maml", waves(6, 0, told=True))  # now nobody says what the first column is
    assert sheets(folder) == []


def test_all_algorithms_show_the_same_episodes_of_one_seed(tmp_path):
    """Seed 0 lacks one of them, so that seed 1 is shown; who met other episodes is left out."""
    folder = Synthetic(**IMAGES, change={("maml", 1, 0): "failed"}).write(tmp_path / "run")
    (sheet,) = sheets(folder)
    assert (sheet.seed, len(sheet.panels)) == (1, 3)
    rewrite(folder, "protonet", images(5, 1, 1, seed=99))
    assert [panel.name for panel in sheets(folder)[0].panels] == ["Support images", "maml"]


@pytest.mark.parametrize(
    "change",
    [
        lambda kept: kept | {"query_x": kept["query_x"].astype(np.float32)},
        lambda kept: kept | {"query_x": kept["query_x"][:, :-1]},
        lambda kept: kept | {"query_x": kept["query_x"][..., :3, :]},
        lambda kept: kept | {"prediction": kept["prediction"][:, :, :-1]},
        lambda kept: kept | {"prediction": kept["prediction"] - 2},
        lambda kept: kept | {"prediction": kept["prediction"] + 5000},
        lambda kept: kept | {"query_y": kept["query_y"].astype(float)},
        lambda kept: kept | {"query_y": np.zeros_like(kept["query_y"])},
        lambda kept: kept | {"support_y": kept["support_y"][::-1] % 2},
        lambda kept: (
            kept
            | {
                "support_x": np.repeat(kept["support_x"], 2, axis=-1),
                "query_x": np.repeat(kept["query_x"], 2, axis=-1),
            }
        ),
        lambda kept: (
            kept | {"support_x": kept["support_x"][:, :0], "support_y": kept["support_y"][:, :0]}
        ),
        lambda kept: {name: array for name, array in kept.items() if name != "support_y"},
        lambda kept: {name: array.reshape(-1) for name, array in kept.items()},
        lambda kept: waves(6, 0) | {"query_y": np.full((2, 101, 1), np.nan, np.float32)},
        lambda kept: waves(6, 0) | {"prediction": waves(6, 0)["prediction"][:, :2]},
    ],
)
def test_arrays_that_are_no_episodes_are_not_drawn(tmp_path, change):
    folder = Synthetic(**IMAGES | {"algorithms": ("maml",)}, seeds=(0,)).write(tmp_path / "run")
    rewrite(folder, "maml", change(images(5, 1, 6, 0)))
    assert sheets(folder) == []


def test_a_prediction_that_is_no_number_or_far_away_spoils_no_drawing(tmp_path):
    folder = Synthetic(**WAVES | {"algorithms": ("maml",)}, seeds=(0,)).write(tmp_path / "run")
    kept = waves(6, 0)
    kept["prediction"][:, 1, ::2], kept["prediction"][:, -1, ::3] = np.inf, 1e38
    rewrite(folder, "maml", kept)
    (sheet,) = sheets(folder)
    assert not re.search(
        r"nan|inf|e\+", " ".join(re.findall(r' d="([^"]*)"', sheet.panels[0].drawing))
    )


def test_an_array_beyond_the_bounds_is_not_read(tmp_path, monkeypatch):
    folder = Synthetic(**IMAGES | {"algorithms": ("maml",)}, seeds=(0,)).write(tmp_path / "run")
    assert len(sheets(folder)) == 1
    largest = max(array.nbytes for array in images(5, 1, 6, 0).values())
    monkeypatch.setattr(kept, "BYTES", largest)
    assert sheets(folder) == []


SPOTS = """
import numpy as np
from metabench.figures import Drawing, Figure

class Spots(Figure):
    "How many queries were right."
    name, parts = "spots", ("right",)
    def select(self, draw): return draw
    def keep(self, episodes, predicted): return {"right": np.array([1.0])}
    def fits(self, kept): return kept["right"].shape == (1,)
    def alike(self, one, other): return True
    def legend(self, canvas): return "Spots " + canvas.symbol("M0 0h9v9z")
    def draw(self, canvas, kept):
        for one in kept:
            with canvas.plots(1, 1) as (figure, axes):
                axes[0, 0].plot(one["right"], color=canvas.colour(one.group))
                yield Drawing(one.group, "spots", canvas.svg(figure, one.group, "Spots", "one"))
"""


def test_a_figure_of_a_project_is_drawn_from_what_records_keep_under_its_name(tmp_path):
    """One class and one line in `benchmark.toml`: nothing else names it."""
    (tmp_path / "spotted.py").write_text(SPOTS)
    registry.use_plugins({"figures": {"spots": "spotted:Spots"}}, tmp_path)
    try:
        folder = Synthetic(**IMAGES).write(tmp_path / "run")
        rewrite(folder, "maml", {"right": np.array([1.0])}, "figures/spots")
        rewrite(folder, "protonet", {"right": np.array([1.0, 2.0])}, "figures/spots")
        (sheet,) = sheets(folder)
        assert [(panel.name, panel.caption) for panel in sheet.panels] == [("maml", "spots")]
        assert sheet.legend.startswith("Spots <svg")
    finally:
        registry.use_plugins({}, tmp_path)
    assert sheets(folder) == []  # nobody knows any more how to draw it


def test_a_damaged_archive_shows_nothing(tmp_path):
    folder = Synthetic(**IMAGES).write(tmp_path / "run")
    for path in folder.glob("records/*.npz"):
        path.write_bytes(path.read_bytes()[:-40])
    assert sheets(folder) == []


def test_a_few_settings_suffice(tmp_path):
    found = sheets(
        Synthetic(
            **IMAGES | {"algorithms": ("protonet",), "shots": range(1, 10)}, seeds=(0,)
        ).write(tmp_path / "run")
    )
    assert len(found) == 6


def test_groups_of_one_algorithm_are_named_apart(tmp_path):
    folder = Synthetic(**IMAGES, seeds=(0,)).write(tmp_path / "run")
    described = json.loads((folder / "cells.json").read_text())
    twins = []
    for entry in described["cells"]:
        for norm, steps in (("support_plus_one", None), ("query", 1), ("query", 5)):
            twin = json.loads(json.dumps(entry))
            twin["group"] |= {"batch_norm": norm, "steps": steps}
            twin["cell"] = f"{len(twins):064x}"
            twins.append(twin)
    (folder / "cells.json").write_text(json.dumps(described | {"cells": twins}))
    run = load(folder)
    (block,) = blocks_of(run)
    names = [group.name for group in block.groups]
    assert names[:3] == [
        "maml · support plus one · own steps",
        "maml · query · 1 step",
        "maml · query · 5 steps",
    ]
    assert len({*names}) == len(rows(run.groups)) == 6


POINTS = 6
"""Of the adaptation curves that a `Synthetic` run has."""


def inside(points, tensors=("head.weight", "head.bias")):
    """What a gradient-based method keeps of itself."""
    distance = np.linspace(0, 1, points) * np.ones((5, 1))
    plane = distance[:4, :, None] * np.array([1.0, -0.5])
    return {
        "way/distance": distance,
        "way/norm": np.array([4.0]),
        "way/plane": plane,
        "way/held": np.array([0.9]),
        "rates/tensors": np.array(tensors),
        "rates/mean": np.full((2, len(tensors)), 0.1),
        "rates/outer": np.full((2, 2, len(tensors)), 0.1),
    }


@pytest.fixture
def of_maml(tmp_path):
    """A run of one cell, whose record keeps what it is given."""
    algorithms = {"algorithms": ("maml",), "figures": False, "seeds": (0,)}
    folder = Synthetic(**WAVES | algorithms).write(tmp_path / "run")

    def keep(arrays):
        rewrite(folder, "maml", arrays)
        return folder

    return keep


def test_ways_and_rates_stand_where_adaptation_is_told(of_maml):
    folder = of_maml(inside(POINTS))
    rates, way = sorted(sheets(folder), key=lambda sheet: sheet.title)
    assert way.section == rates.section == "adaptation"
    assert way.title.startswith("The way of the weights · ")
    assert way.panels[0].caption == "moved by 25 % in 10 steps"
    assert "step 10: 25 %" in way.panels[0].drawing
    assert "head.weight: 0.1, 0.1" in rates.panels[0].drawing
    page = render(folder).read_text()
    assert page.index('id="adaptation"') < page.index("The way of the weights")
    assert 'id="predictions"' not in page


@pytest.mark.parametrize(
    "change",
    [
        {"way/distance": np.ones((5, 2))},
        {"way/distance": np.full((5, 6), -1.0)},
        {"way/distance": np.full((5, 6), np.nan)},
        {"way/norm": np.array([0.0])},
        {"way/norm": np.array(["1"])},
        {"way/plane": np.ones((4, 5, 2))},
        {"way/plane": np.ones((400, 6, 2))},
        {"way/held": np.ones(3)},
    ],
)
def test_ways_that_are_none_are_not_drawn(of_maml, change):
    (rates,) = sheets(of_maml(inside(POINTS) | change))
    assert rates.title.startswith("Learned rates")


@pytest.mark.parametrize(
    "change",
    [
        {"rates/tensors": np.array(["<script>", "b"])},
        {"rates/tensors": np.array(["a" * 81, "b"])},
        {"rates/tensors": np.arange(2)},
        {"rates/mean": np.ones((2, 3))},
        {"rates/mean": np.full((2, 2), np.inf)},
        {"rates/outer": np.ones((2, 2))},
        {"rates/outer": np.full((2, 2, 2), 1e7)},
    ],
)
def test_rates_that_are_none_are_not_drawn(of_maml, change):
    (way,) = sheets(of_maml(inside(POINTS) | change))
    assert way.title.startswith("The way of the weights")


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("def draw(self, canvas, kept): raise ValueError('no ink')", "raised ValueError: no ink"),
        ("parts = 3", "parts"),
        ("import no_such_module", "cannot be imported"),
    ],
)
def test_a_figure_that_breaks_is_left_out_and_told(tmp_path, broken, why):
    module = f"spotted_{len(broken)}"  # what was imported once stays so
    (tmp_path / f"{module}.py").write_text(f"{SPOTS}    {broken}\n")
    registry.use_plugins({"figures": {"spots": f"{module}:Spots"}}, tmp_path)
    try:
        folder = Synthetic(**IMAGES).write(tmp_path / "run")
        for path in folder.glob("records/*.npz"):
            arrays = dict(np.load(path))
            np.savez(path, **arrays, **{"figures/spots/right": np.array([1.0])})
        assert len(sheets(folder)) == 1
        page = " ".join(render(folder).read_text().split())
    finally:
        registry.use_plugins({}, tmp_path)
    (told,) = re.findall(r"Left out of this page: ([^<]*)<", page)
    assert "spots" in told
    assert why in html.unescape(told)
