"""Seeds apart: which random streams follow the seed of a grid, which are held at one, and what of
that enters an id."""

from __future__ import annotations

from pathlib import Path

import pytest
from suite_project import load, write_suite

from metabench.cells import Cell
from metabench.errors import ConfigError
from metabench.records.contents import config_of, entry_of
from metabench.suite import load_suite
from metabench.suite.project import load_project

SUITE = """\
[[grid]]
algorithms = ["maml", "tuned"]
datasets = ["glyphs"]
ways = 5
shots = 1
seeds = [2, 3, 4]
{axes}

[train]
iterations = 10

[datasets.glyphs]
split = "alphabet"

[algorithms.tuned]
method = "finetuned"
needs.start = "pretrained"

{more}
"""


def cells(folder: Path, axes: str = "", more: str = "") -> list[Cell]:
    folder.mkdir(exist_ok=True)
    text = SUITE.format(axes=f"axes = {{ {axes} }}" if axes else "", more=more)
    return list(load(folder, text).cells)


def of(algorithm: str, found: list[Cell]) -> list[Cell]:
    return [cell for cell in found if cell.labels["algorithm"] == algorithm]


def streams(found: list[Cell], name: str) -> list[int]:
    return [cell.streams[name] for cell in of("maml", found)]


@pytest.mark.parametrize(
    ("said", "init", "data", "test"),
    [
        ("init = 0", [0, 0, 0], [2, 3, 4], [2, 3, 4]),
        ("data = 0", [2, 3, 4], [0, 0, 0], [2, 3, 4]),
        ("test = 7", [2, 3, 4], [2, 3, 4], [7, 7, 7]),
        ("init = 0\ndata = 1", [0, 0, 0], [1, 1, 1], [2, 3, 4]),
        ('init = "each"\ndata = 3', [2, 3, 4], [3, 3, 3], [2, 3, 4]),
    ],
)
def test_what_is_held_stays_and_the_rest_follows_the_seed(
    tmp_path: Path, said: str, init: list[int], data: list[int], test: list[int]
) -> None:
    found = cells(tmp_path, more=f"[seeds]\n{said}")
    assert [cell.seed for cell in of("maml", found)] == [2, 3, 4]
    assert streams(found, "init") == init
    assert streams(found, "data") == data
    assert streams(found, "test") == test
    assert len({cell.id for cell in found}) == len(found)


def test_a_seed_held_at_its_own_place_is_the_cell_it_was(tmp_path: Path) -> None:
    together = {cell.seed: cell.id for cell in of("maml", cells(tmp_path / "a"))}
    apart = {
        cell.seed: cell.id
        for cell in of("maml", cells(tmp_path / "b", more="[seeds]\ninit = 3\ntest = 3"))
    }
    assert apart[3] == together[3]
    assert apart[2] != together[2]


def test_one_fit_serves_the_seeds_of_its_test(tmp_path: Path) -> None:
    found = of("maml", cells(tmp_path, more="[seeds]\ninit = 0\ndata = 0"))
    assert len({cell.fit.id for cell in found}) == 1
    assert len({cell.id for cell in found}) == 3
    assert [f"-s{seed}-" in cell.stem for seed, cell in zip((2, 3, 4), found, strict=True)]


def test_what_is_needed_goes_with_the_fit(tmp_path: Path) -> None:
    found = of("tuned", cells(tmp_path, more="[seeds]\ninit = 0"))
    assert [cell.fit.needs["start"].init_seed for cell in found] == [0, 0, 0]
    assert [cell.fit.needs["start"].seed for cell in found] == [2, 3, 4]


def test_noise_follows_the_data_and_the_test(tmp_path: Path) -> None:
    by_init = of("tuned", cells(tmp_path / "a", more="[seeds]\ndata = 0\ntest = 0"))
    assert len({cell.fit.id for cell in by_init}) == 3
    assert len({cell.fit.noise_id for cell in by_init}) == 1
    assert len({cell.noise_id for cell in by_init}) == 1
    by_data = of("tuned", cells(tmp_path / "b", more="[seeds]\ninit = 0\ntest = 0"))
    assert len({cell.fit.noise_id for cell in by_data}) == 3
    assert len({cell.noise_id for cell in by_data}) == 1
    together = cells(tmp_path / "c")
    assert all(cell.noise_id == cell.id for cell in together)
    assert all(cell.fit.noise_id == cell.fit.id for cell in together)


def test_classes_may_be_split_anew_for_each_seed(tmp_path: Path) -> None:
    found = cells(tmp_path, more='[[override]]\ndataset.split_seed = "per_seed"')
    assert streams(found, "split") == [2, 3, 4]
    assert {cell.fit.dataset.said["split_seed"] for cell in of("maml", found)} == {2, 3, 4}
    for cell in of("tuned", found):
        assert cell.fit.needs["start"].dataset == cell.fit.dataset


def test_a_split_alone_may_tell_seeds_apart(tmp_path: Path) -> None:
    axes = '"seeds.init" = [0], "seeds.data" = [0], "seeds.test" = [0]'
    found = of("maml", cells(tmp_path, f'{axes}, "dataset.split_seed" = ["per_seed"]'))
    assert [cell.streams for cell in found] == [
        {"init": 0, "data": 0, "test": 0, "split": seed} for seed in (2, 3, 4)
    ]
    assert {cell.labels["dataset.split_seed"] for cell in found} == {"per_seed"}
    assert len({cell.id for cell in found}) == 3


def test_axes_hold_seeds_at_several_values(tmp_path: Path) -> None:
    found = of("maml", cells(tmp_path, '"seeds.data" = ["each", 0]'))
    assert sorted(cell.streams["data"] for cell in found) == [0, 0, 0, 2, 3, 4]
    assert {cell.labels["seeds.data"] for cell in found} == {"each", 0}


def test_records_say_which_streams_were_held(tmp_path: Path) -> None:
    (cell, *_) = of("maml", cells(tmp_path, more="[seeds]\ninit = 0\ntest = 1"))
    assert entry_of(cell, "a")["streams"] == {"init": 0, "data": 2, "test": 1, "split": 0}
    config = config_of(cell)
    assert (config["fit"]["seed"], config["fit"]["init_seed"], config["test_seed"]) == (2, 0, 1)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("[seeds]\ninit = 0\ndata = 0\ntest = 0", ("[seeds] test", "one and the same cell")),
        ("[seeds]\ninit = -1", ("[seeds] init", 'expected "each" or a whole number, at least 0')),
        ("[seeds]\nweights = 1", ("weights", "unknown key", "data, init, test")),
        (
            '[[override]]\nwhen = { algorithm = "maml" }\nseeds.init = 0',
            ("seeds.init", "say it for all"),
        ),
        (
            '[[override]]\ndataset.split_seed = "per_sed"',
            ("split_seed", 'or "per_seed"', "did you mean 'per_seed'?"),
        ),
    ],
)
def test_what_cannot_be_is_told(tmp_path: Path, more: str, told: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as refused:
        cells(tmp_path, more=more)
    assert all(words in str(refused.value) for words in told), str(refused.value)


def test_an_axis_that_fixes_the_split_leaves_nothing_to_follow(tmp_path: Path) -> None:
    axes = '"seeds.init" = [0], "seeds.data" = [0], "seeds.test" = [0], "dataset.split_seed" = [0]'
    more = "[[override]]\nwhen = { ways = 5 }\ntrain.tasks_per_batch = 2"
    text = SUITE.format(axes=f"axes = {{ {axes} }}", more=more)
    text = text.replace('split = "alphabet"', 'split = "alphabet"\nsplit_seed = "per_seed"')
    with pytest.raises(ConfigError, match="one and the same cell"):
        load(tmp_path, text)


def test_what_is_tested_on_alone_is_not_split_anew(tmp_path: Path) -> None:
    more = '[datasets.other]\ndataset = "glyphs"\nsplit = "alphabet"\nsplit_seed = "per_seed"'
    with pytest.raises(ConfigError, match="is for what is trained on"):
        cells(tmp_path, more=f'[evaluate]\non = ["same", "other"]\n\n{more}')


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "margin_ratio = 1.05",
            "margin_ratio = 1.05: expected more than trivial_ratio, which is 1.08",
        ),
        ("trivial = 0.05", "trivial = 0.05: expected less than margin, which is 0.03 by default"),
        (
            "margin = 0.01\ntrivial = 0.02",
            "trivial = 0.02: expected less than margin, which is 0.01",
        ),
    ],
)
def test_margins_that_cross_are_told_before_a_run_keeps_them(
    tmp_path: Path, said: str, told: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        cells(tmp_path, more=f"[compare]\n{said}")
    assert told in str(refused.value)


def test_a_published_split_is_not_split_anew(tmp_path: Path) -> None:
    text = SUITE.format(axes="", more='[datasets.omniglot]\nsplit_seed = "per_seed"')
    with pytest.raises(ConfigError, match="split_seed shuffles nothing"):
        load(tmp_path, text.replace('datasets = ["glyphs"]', 'datasets = ["omniglot"]'))


def test_a_profile_has_a_root_of_its_own(tmp_path: Path) -> None:
    write_suite(tmp_path, SUITE.format(axes="", more="[profiles.final]\nroot_seed = 5"))
    project = load_project(tmp_path)
    dev, final = (load_suite("x", project, profile=profile) for profile in (None, "final"))
    assert (dev.root_seed, final.root_seed) == (0, 5)
    assert {cell.fit.root_seed for cell in final.cells} == {5}
    assert {cell.id for cell in dev.cells}.isdisjoint(cell.id for cell in final.cells)
    kept = tmp_path / "suites" / "kept.toml"
    kept.write_text(final.resolved)
    again = load_suite("kept", project)
    assert [cell.id for cell in again.cells] == [cell.id for cell in final.cells]
