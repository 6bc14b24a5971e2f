"""Episodes that no split can fill: refused before anything runs, at the key that asks for too much,
and nothing that can be filled is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from suite_project import load

from metabench.datasets.class_splits import SPLITS
from metabench.datasets.glyphs import Glyphs, GlyphsSettings
from metabench.datasets.images import ImageDataset
from metabench.datasets.omniglot import Omniglot, OmniglotSettings
from metabench.errors import ConfigError, DataError
from metabench.suite import load_suite
from metabench.suite.project import load_project
from metabench.tasks.episodes import EpisodeShape

FEW = """\
[grid]
algorithms = ["maml", "scratch"]
datasets = ["few"]
ways = 5
shots = 1
seeds = 1

[train]
iterations = 10
query_shots = 4

[validate]
query_shots = 4

[evaluate]
query_shots = 4
episodes = 20

[datasets.few]
dataset = "glyphs"
train_classes = 12
validation_classes = 7
test_classes = 9
drawers = 6
alphabets = 4
"""
LESS = """
[datasets.less]
dataset = "glyphs"
train_classes = 12
validation_classes = 7
test_classes = 4
drawers = 5
"""

IMPOSSIBLE: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "ways of the test": (
        "ways = 5",
        "ways = [5, 10]",
        ("x.toml:4: [[grid]] ways = [5, 10]", "the validation split of 'few' has 7 classes"),
    ),
    "ways of training": (
        '"maml", "scratch"]\n',
        '"protonet"]\naxes = { "train.ways" = [5, 13] }\n',
        ('axes."train.ways" = [5, 13]', "the train split of 'few' has 12 classes", "13-way"),
    ),
    "ways of validation": (
        '"maml", "scratch"]',
        '"protonet"]\naxes = { "validate.ways" = [7, 8] }',
        ('axes."validate.ways"', "the validation split of 'few' has 7 classes", "8-way"),
    ),
    "shots": (
        "shots = 1",
        "shots = [1, 3]",
        (
            "[train] query_shots = 4: the train split of 'few'",
            "3-shot episodes with 4 queries",
            "(7 images)",
        ),
    ),
    "shots alone": (
        "shots = 1",
        "shots = [1, 6]",
        ("[[grid]] shots = [1, 6]: the train split of 'few'", "6-shot episodes"),
    ),
    "shots beside a default": (
        "iterations = 10\nquery_shots = 4",
        "iterations = 10",
        ("[[grid]] shots = 1: the train split", "train.query_shots is 15 unless said"),
    ),
    "queries of training": (
        "10\nquery_shots = 4",
        "10\nquery_shots = 6",
        (":10: [train] query_shots = 6: the train split", "has 6 images, too few"),
    ),
    "queries of validation": (
        "[validate]\nquery_shots = 4",
        "[validate]\nquery_shots = 6",
        (":13: [validate] query_shots = 6: the validation split",),
    ),
    "queries of the test": (
        "[evaluate]\nquery_shots = 4",
        "[evaluate]\nquery_shots = [4, 6]",
        (":16: [evaluate] query_shots = [4, 6]: the test split",),
    ),
    "disjoint episodes": (
        "episodes = 20",
        'episodes = 20\nsampling = "disjoint"',
        (
            "[evaluate] episodes = 20",
            "at most 1 disjoint 5-way 1-shot episodes",
            "20 were asked for",
        ),
    ),
    "a default number of disjoint episodes": (
        "episodes = 20",
        'sampling = ["with_replacement", "disjoint"]',
        ("[evaluate] sampling = ", "600 were asked for"),
    ),
    "another dataset": (
        "episodes = 20",
        'episodes = 20\non = ["same", "less"]',
        ("[[grid]] ways = 5: the test split of 'less' has 4 classes, too few for 5-way episodes",),
    ),
}


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    return str(caught.value)


def test_episodes_that_can_be_filled_to_the_last_drawing_are_good(tmp_path: Path) -> None:
    full = FEW.replace("query_shots = 4", "query_shots = 5").replace("ways = 5", "ways = 7")
    full = full.replace("episodes = 20", 'episodes = 1\nsampling = "disjoint"')
    assert len(load(tmp_path, full).cells) == 2


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_episodes_that_nothing_can_fill_are_refused(tmp_path: Path, name: str) -> None:
    good, bad, says = IMPOSSIBLE[name]
    assert good in FEW
    message = refusal(tmp_path, FEW.replace(good, bad, 1) + LESS)
    for fragment in says:
        assert fragment in message, message


def test_choosing_on_validation_needs_episodes_of_the_tests_own_shape(tmp_path: Path) -> None:
    text = FEW.replace('"maml", "scratch"', '"scratch"').replace("ways = 5", "ways = 8")
    text = text.replace("[train]\niterations = 10\nquery_shots = 4\n", "")
    assert "the validation split of 'few' has 7 classes, too few for 8-way" in refusal(
        tmp_path, text
    )


def test_a_choice_among_settings_alone_needs_them_too(tmp_path: Path) -> None:
    (tmp_path / "benchmark.toml").write_text('[plugins.methods]\ntwo = "two_settings:Two"')
    (tmp_path / "two_settings.py").write_text(
        "from metabench.methods.nearest import NearestNeighbour\n\n\n"
        "class Two(NearestNeighbour):\n    version = 1\n"
        "    def candidates(self):\n        return (self, type(self)(self.settings))\n"
    )
    text = FEW.replace('"maml", "scratch"', '"two"').replace("ways = 5", "ways = 8")
    text = text.replace("[train]\niterations = 10\nquery_shots = 4\n", "")
    assert "the validation split of 'few' has 7 classes, too few for 8-way" in refusal(
        tmp_path, text
    )
    nearest = text.replace('"two"', '"nearest"').replace("[validate]\nquery_shots = 4\n", "")
    assert load(tmp_path, nearest).cells


def test_what_trains_on_examples_draws_no_training_episodes(tmp_path: Path) -> None:
    text = FEW.replace('"maml", "scratch"', '"pretrained"')
    assert load(tmp_path, text.replace("10\nquery_shots = 4", "10\nquery_shots = 15")).cells


def test_where_data_is_missing_what_was_published_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("METABENCH_DATA", raising=False)
    text = FEW.replace('["few"]', '["omniglot"]').replace("ways = 5", "ways = [5, 173]")
    message = refusal(tmp_path, text)
    assert "the validation split of 'omniglot' has 172 classes, too few for 173-way" in message


@pytest.mark.slow
def test_the_data_that_is_there_tells(
    tmp_path: Path, omniglot_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("METABENCH_DATA", raising=False)
    (tmp_path / "benchmark.toml").write_text(f"data = '{omniglot_folder}'")
    text = FEW.replace('["few"]', '["omniglot"]').replace("ways = 5", "ways = 173")
    alphabets = text + '[datasets.omniglot]\nsplit = "alphabet"\n'
    assert f"has {_classes(omniglot_folder)['train']} classes" in refusal(tmp_path, alphabets)
    # of the published split classes are missing: the fit will say how to get them
    assert load(tmp_path, text).cells


@pytest.mark.slow
def test_damaged_data_is_left_to_the_fit(
    tmp_path: Path, omniglot_maker: Callable[..., Path]
) -> None:
    folder = omniglot_maker(tmp_path / "data")
    next(folder.rglob("*.png")).unlink()
    (tmp_path / "benchmark.toml").write_text(f"data = '{folder}'")
    with pytest.raises(DataError):
        Omniglot(OmniglotSettings()).class_sizes(folder)
    text = FEW.replace('["few"]', '["omniglot"]').replace("ways = 5", "ways = 173")
    assert load(tmp_path, text).cells


@pytest.mark.slow
@pytest.mark.parametrize(
    "dataset",
    [
        Glyphs(GlyphsSettings(alphabets=3, characters=(4,), drawers=3, rotations="train")),
        Glyphs(GlyphsSettings(alphabets=3, characters=(2, 3, 4), drawers=2, split="alphabet")),
        Omniglot(OmniglotSettings(split="alphabet", rotations="all")),
        Omniglot(OmniglotSettings(split="random")),
    ],
    ids=lambda dataset: f"{type(dataset).__name__} {dataset.settings.split}",
)
def test_classes_and_their_sizes_are_those_that_are_loaded(
    dataset: ImageDataset, omniglot_folder: Path
) -> None:
    before = dataset.class_sizes(omniglot_folder)
    dataset.load(omniglot_folder)
    names, labels = dataset.pool.class_names, dataset.pool.labels
    counts = np.bincount(labels, minlength=len(names))
    assert before == {
        split: {names[c]: counts[c] for c in dataset.pool.splits[split].tolist()}
        for split in SPLITS
    }


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(7, 1, 4), (8, 1, 4), (5, 3, 3), (5, 3, 4)])
def test_what_is_refused_is_what_the_dataset_itself_would_refuse(
    tmp_path: Path, shape: tuple[int, int, int]
) -> None:
    ways, shots, queries = shape
    text = FEW.replace("ways = 5", f"ways = {ways}").replace("shots = 1", f"shots = {shots}")
    text = text.replace("query_shots = 4", f"query_shots = {queries}")
    settings = {"train_classes": 12, "validation_classes": 7, "test_classes": 9}
    glyphs = Glyphs(GlyphsSettings(**settings, drawers=6, alphabets=4))
    glyphs.load(tmp_path)
    try:
        for split in SPLITS:
            glyphs.draw(split, EpisodeShape(*shape), 1, np.random.default_rng(0))
    except DataError as error:
        said = str(error).partition(" has ")[2]
        assert said in refusal(tmp_path, text)
    else:
        assert load(tmp_path, text).cells


def test_a_plugin_that_says_nonsense_of_its_classes_is_told(tmp_path: Path) -> None:
    (tmp_path / "benchmark.toml").write_text('[plugins.datasets]\nodd = "odd_sizes:Odd"')
    (tmp_path / "odd_sizes.py").write_text(
        "from metabench.datasets.glyphs import Glyphs\n\n\nclass Odd(Glyphs):\n"
        "    def class_sizes(self, root):\n        return {'train': {'a': 'many'}}\n"
    )
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "x.toml").write_text(FEW.replace('["few"]', '["odd"]'))
    with pytest.raises(
        ConfigError, match=r"\[.odd.\]: dataset 'odd': Odd.class_sizes gave .*expected None, or"
    ):
        load_suite("x", load_project(tmp_path))


def _classes(folder: Path) -> dict[str, int]:
    sizes = Omniglot(OmniglotSettings(split="alphabet")).class_sizes(folder)
    return {split: len(classes) for split, classes in sizes.items()}
