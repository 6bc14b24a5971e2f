"""The script behind the figure and the statistics of docs/glyphs.md."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from few_shot import part

from metabench.datasets.glyphs import Glyphs, GlyphsSettings
from metabench.datasets.images import ImagePool
from metabench.suite import load_suite
from metabench.suite.project import load_project

ROOT = Path(__file__).parents[2]
SMALL: dict[str, Any] = {"alphabets": 8, "characters": (28,), "drawers": 13}


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "tools" / "glyphs_beside_omniglot.py"))


def test_the_two_suites_share_their_protocol() -> None:
    """But for the data, and for the methods that each of them has: same classes a split, network,
    recipes and evaluation."""
    project = load_project(ROOT)
    suites = [
        load_suite(name, project, only=["shots=1"]) for name in ("omniglot-small", "glyphs-small")
    ]
    real, made = (
        {(c.fit.algorithm, c.fit.seed): c for c in suite.cells if c.id in suite.selected}
        for suite in suites
    )
    shared = real.keys() & made.keys()
    assert {algorithm for algorithm, _ in shared} == {"maml", "protonet", "scratch"}
    for key in shared:
        one, other = real[key], made[key]
        assert one.evaluate == other.evaluate
        for field in ("method", "model", "train", "validate", "root_seed"):
            assert getattr(one.fit, field) == getattr(other.fit, field)
        assert (
            one.fit.dataset.settings["rotations"]
            == other.fit.dataset.settings["rotations"]
            == "train"
        )
        settings = other.fit.dataset.settings
        sizes = dict(
            zip((f"alphabet{n:02d}" for n in range(1, 9)), settings["characters"], strict=True)
        )
        assert [
            sum(sizes[name] for name in settings[f"{split}_alphabets"])
            for split in ("train", "validation", "test")
        ] == [154, 17, 71]


@pytest.mark.slow
def test_the_figure_has_its_rows(script: dict[str, Any]) -> None:
    dataset = Glyphs(GlyphsSettings(**SMALL, image_size=script["SIDE"]))
    dataset.load(ROOT)
    made = np.asarray(script["figure"]({"one": dataset, "other": dataset}).convert("L"))
    width = script["COLUMNS"] * script["SIDE"]
    assert made.shape == (2 * script["LINE"] + 13 * script["SIDE"], 2 * width + script["BETWEEN"])
    alphabets = made[script["LINE"] : script["LINE"] + 8 * script["SIDE"]] < 128
    assert np.array_equal(alphabets[:, :width], alphabets[:, -width:])
    assert (
        alphabets[:, :width]
        .reshape(8, script["SIDE"], script["COLUMNS"], script["SIDE"])
        .any((1, 3))
        .all()
    )


def test_statistics_of_what_is_known(
    script: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two characters: a bar of 2 x 10 and a bar of 6 x 2, each drawn in two places; one is torn in
    two."""
    images = np.zeros((4, 28, 28, 1), dtype=np.uint8)
    images[0, 4:14, 3:5] = images[1, 6:16, 5:7] = images[2, 10:12, 2:8] = images[
        3, 10:12, 12:18
    ] = 255
    images[3, 10:12, 14] = 0
    pool = ImagePool(
        torch.from_numpy(images), np.array([0, 0, 1, 1]), ["a/1", "a/2"], ["", "", "", ""], {}, ""
    )
    dataset = Glyphs(GlyphsSettings())
    dataset.pool = pool
    monkeypatch.setitem(script["statistics"].__globals__, "pixel_accuracy", lambda *_, **__: 12.3)
    told = script["statistics"](dataset, part("datasets", "glyphs"))
    assert told["height of the ink"] == "6.0 ± 4.0 ± 0.0"
    assert told["width of the ink"] == "4.0 ± 2.0 ± 0.0"
    assert told["height of its centre, from the top"] == "10.0 ± 0.5 ± 0.7"
    assert told["pieces that do not touch"] == "1.25"
    assert told["pixels that are all ink"] == f"{100 * (20 + 20 + 12 + 10) / (4 * 784):.1f} %"
    assert told["nearest neighbour in pixels"] == "12.3 %"
