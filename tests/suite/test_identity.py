"""What moves the id of a fit or cell, and what does not. Ids are the names of records on disk: a
change here orphans every run there is."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from suite_project import GOOD, load

from metabench import registry
from metabench.cells import Cell, Evaluate, Fit, Part, Train, Validate
from metabench.errors import ConfigError
from metabench.identity import canonical, digest, without_defaults
from metabench.registry.settings import make_part
from metabench.suite.layers import RECIPE_TABLES
from metabench.suite.parsing import keys
from metabench.suite.schema import TABLE_OF
from metabench.suite.toml import toml_text

FIT = Fit(
    "maml",
    Part("m", 1, {"a": 1}, {}),
    Part("n", 1, {}, {}),
    Part("d", 1, {}, {}),
    Train(iterations=10),
    Validate(),
    seed=0,
    root_seed=0,
)
CELL = Cell(FIT, Evaluate(ways=5, shots=1), {"algorithm": "maml", "dataset": "d"})
RECIPES = {"train": Train, "validate": Validate, "evaluate": Evaluate}
BASE: dict[str, Any] = {
    "grid": [{"algorithms": ["maml"], "datasets": ["omniglot"], "ways": 5, "shots": 1, "seeds": 1}],
    "train": {"iterations": 1000},
}
ELSEWHERE = {"other": {"dataset": "omniglot", "split": "random"}}
ALPHABETS = {f"{split}_alphabets": [split] for split in ("train", "validation", "test")}
GLYPH_ALPHABETS = {key: [f"alphabet0{number}"] for number, key in enumerate(ALPHABETS, start=1)}
CLASSES = {f"{split}_classes": 10 for split in ("train", "validation", "test")}
# settings that are refused alone: what each is said with, in both of the suites that are compared
COMPANIONS = {
    **{("omniglot", key): {"split": "alphabet", **ALPHABETS} for key in ALPHABETS},
    **{("glyphs", key): {"split": "alphabet", **GLYPH_ALPHABETS} for key in ALPHABETS},
    **{
        (name, key): {"split": "random", **CLASSES}
        for name in ("omniglot", "glyphs")
        for key in CLASSES
    },
    ("omniglot", "split_seed"): {"split": "random"},
}
# settings of which not any value is one: another than that above
OTHERS: dict[tuple[str, str], Any] = {
    **{("glyphs", key): ["alphabet09"] for key in ALPHABETS},
    **{("maml_pp", key): 0.5 for key in ("multi_step_loss", "derivative_order_annealing")},
}


def another(annotation: Any, value: Any) -> Any:
    """Return a value that the annotation allows and that is not `value`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return another(arguments[0], value)
    if origin in (Union, UnionType):
        return another(
            next(argument for argument in arguments if argument is not type(None)), value
        )
    if origin is Literal:
        return next(choice for choice in arguments if choice != value)
    if origin in (tuple, list):
        return [*(value or ()), another(arguments[0], value[-1] if value else None)]
    if annotation is str:
        return f"{value or ''}x"
    if annotation is float:
        return 2.0 if value is None else (value + 2) / 2
    return not value if annotation is bool else (value or 1) + 7


def cell_of(folder: Path, suite: Mapping[str, Any]) -> Cell:
    """Return the first cell of a suite."""
    return load(folder, toml_text(suite)).cells[0]


def test_ids_of_records_on_disk() -> None:
    assert FIT.id == digest(FIT.identity())
    assert canonical(CELL.identity()) == (
        '{"evaluate":{"shots":1,"ways":5},"fit":{"dataset":{"name":"d","settings":{},"version":1},"method":{"name":"m","settings":{},"version":1},'
        '"model":{"name":"n","settings":{},"version":1},"protocol":1,"root_seed":0,"seed":0,"train":{"iterations":10},"validate":{}}}'
    )
    assert CELL.id == "e9d35d880a40f2f981d2f11dac2aa442b0e6d8f81bccf5a296dd00db20340f1f"


@given(
    st.dictionaries(
        st.text(),
        st.one_of(
            st.integers(),
            st.floats(allow_nan=False, allow_infinity=False),
            st.text(),
            st.lists(st.booleans()),
        ),
    )
)
def test_key_order_moves_nothing(table: dict[str, Any]) -> None:
    assert digest(table) == digest(dict(reversed(table.items())))


def test_a_whole_float_is_an_integer() -> None:
    assert digest({"rate": 1.0, "steps": (1, 2)}) == digest({"rate": 1, "steps": [1, 2]})
    assert digest({"rate": 1.5}) != digest({"rate": 1})


def test_no_nan_has_an_id() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest({"rate": float("nan")})


def test_order_in_the_file_moves_nothing(tmp_path: Path) -> None:
    suite = {
        **BASE,
        "validate": {"every": 7, "episodes": 9},
        "algorithms": {"maml": {"inner_lr": 0.1, "inner_steps": 3}},
    }
    turned = {
        key: dict(reversed(value.items())) if isinstance(value, dict) else value
        for key, value in reversed(suite.items())
    }
    turned["algorithms"] = {"maml": dict(reversed(suite["algorithms"]["maml"].items()))}
    assert cell_of(tmp_path, suite).id == cell_of(tmp_path, turned).id


def test_an_explicit_default_moves_nothing(tmp_path: Path) -> None:
    # some keys are refused with any other
    base = {**BASE, "train": {**BASE["train"], "schedule": "step"}}
    suite: dict[str, Any] = {
        **base,
        "algorithms": {"maml": said_defaults(registry.get("methods", "maml").Settings)},
    }
    suite["models"] = {"conv4": said_defaults(registry.get("models", "conv4").Settings)}
    suite["datasets"] = {"omniglot": said_defaults(registry.get("datasets", "omniglot").Settings)}
    for section, recipe in RECIPES.items():
        suite[section] = said_defaults(recipe) | suite.get(section, {})
    assert cell_of(tmp_path, suite).id == cell_of(tmp_path, base).id


def said_defaults(settings: type[Any]) -> dict[str, Any]:
    """Return every default of a dataclass that TOML can say."""
    fields = [
        field
        for field in dataclasses.fields(settings)
        if field.default not in (None, dataclasses.MISSING)
    ]
    return {field.name: field.default for field in fields}


def test_a_new_neutral_option_moves_nothing() -> None:
    @dataclass(frozen=True)
    class Old:
        rate: float = 0.1

    @dataclass(frozen=True)
    class New(Old):
        momentum: float = 0.0

    def part(settings: type[Any], **said: Any) -> Part:
        return make_part("x", type("Method", (), {"version": 1, "Settings": settings}), said)

    assert part(Old, rate=0.2).identity() == part(New, rate=0.2).identity()
    assert part(New, momentum=0.9).identity() != part(New).identity()


def test_a_new_version_moves_the_id() -> None:
    newer = dataclasses.replace(FIT, method=dataclasses.replace(FIT.method, version=2))
    assert newer.id != FIT.id


def test_names_and_labels_move_nothing(tmp_path: Path) -> None:
    assert dataclasses.replace(FIT, algorithm="renamed").id == FIT.id
    assert dataclasses.replace(CELL, labels={"algorithm": "renamed"}).id == CELL.id
    renamed = {
        **BASE,
        "title": "Another",
        "algorithms": {"mine": {"method": "maml"}},
        "grid": [{**BASE["grid"][0], "algorithms": "mine"}],
    }
    assert cell_of(tmp_path, renamed).id == cell_of(tmp_path, BASE).id


@pytest.mark.parametrize("field", ["seed", "root_seed"])
def test_seeds_move_the_id(field: str) -> None:
    assert dataclasses.replace(FIT, **{field: 1}).id != FIT.id


@pytest.mark.parametrize("section", RECIPES)
def test_every_recipe_key_can_be_said(section: str) -> None:
    fields = {field.name for field in dataclasses.fields(RECIPES[section])}
    # ways and shots of a test are the grid's; validation is scored by the metric of the test
    assert set(keys(RECIPE_TABLES[section])) == {
        "evaluate": fields - {"ways", "shots"},
        "validate": fields - {"metric"} | {"target"},
    }.get(section, fields)


@pytest.mark.parametrize(
    ("section", "key"),
    [
        (section, key)
        for section, table in RECIPE_TABLES.items()
        for key in keys(table)
        if key != "target"
    ],
)
def test_every_key_of_the_recipe_moves_the_id(tmp_path: Path, section: str, key: str) -> None:
    default = {field.name: field.default for field in dataclasses.fields(RECIPES[section])}[key]
    value = "other" if key == "on" else another(get_type_hints(RECIPES[section])[key], default)
    # of which Omniglot has enough drawings
    possible = {"batch_norm": "support", "shots": 2, "query_shots": 3, "metric": "macro_f1"}
    value = possible.get(key, value)
    recipe = (
        {**BASE["train"], "schedule": "step"}
        if key in ("step_every", "step_factor", "schedule_floor")
        else BASE["train"]
    )
    budget = {} if key in ("tasks", "seconds") else recipe
    # which alone may be trained with other ways
    method = {"grid": [{**BASE["grid"][0], "algorithms": ["protonet"]}]} if key == "ways" else {}
    few = {"evaluate": {"episodes": 50}} if key == "sampling" else {}
    base, moved = (
        {**BASE, "train": budget, "datasets": ELSEWHERE, **method, **few} for _ in range(2)
    )
    base["train"] = recipe
    moved[section] = {**moved.get(section, {}), key: value}
    before, after = cell_of(tmp_path, base), cell_of(tmp_path, moved)
    assert after.id != before.id
    # cells that differ in evaluation alone share a fit; by the metric weights are chosen too
    assert (after.fit.id != before.fit.id) == (section != "evaluate" or key == "metric")


def test_the_datasets_own_metric_moves_no_id(tmp_path: Path) -> None:
    said = cell_of(tmp_path, {**BASE, "evaluate": {"metric": "accuracy"}})
    assert said == cell_of(tmp_path, BASE)
    assert (said.evaluate.metric, said.fit.validate.metric) == (None, None)


@pytest.mark.parametrize(
    ("one", "other"), [(15, [15] * 5), ([9, 2, 2, 1, 1], [1, 2, 9, 1, 2])], ids=["equal", "order"]
)
def test_two_ways_to_say_the_same_queries_are_one_cell(
    tmp_path: Path, one: object, other: object
) -> None:
    """Which class gets which number is drawn anew in each episode."""
    cells = [
        cell_of(
            tmp_path,
            {
                **BASE,
                "train": {**BASE["train"], "query_shots": queries},
                "validate": {"query_shots": queries},
                "evaluate": {"query_shots": [queries]},
            },
        )
        for queries in (one, other)
    ]
    assert cells[0] == cells[1]
    assert (cells[0].id == cell_of(tmp_path, BASE).id) == (one == 15)


NEEDS = {"finetuned": {"needs": {"start": "pretrained"}}}
"""What a method needs of others, without which there is no such algorithm."""

SETTINGS = [
    (group, name, field.name)
    for group in TABLE_OF
    for name in registry.names(group)
    for field in dataclasses.fields(registry.get(group, name).Settings)
    if (name, field.name) != ("nearest", "test_batch_norm")  # which has one value
]


@pytest.mark.slow
@pytest.mark.parametrize(("group", "name", "key"), SETTINGS)
def test_every_setting_moves_the_id(
    tmp_path: Path, group: registry.Group, name: str, key: str
) -> None:
    settings = registry.get(group, name).Settings
    needs = NEEDS.get(name, {}) if group == "methods" else {}
    together = COMPANIONS.get((name, key), {}) | needs
    default = together.get(key, getattr(settings(), key))
    other = OTHERS.get((name, key)) or another(
        get_type_hints(settings, include_extras=True)[key], default
    )
    said = {**together, key: other}
    regression = name in ("sinusoid", "mlp", "oracle")
    dataset = name if group == "datasets" else "sinusoid" if regression else "omniglot"
    algorithm = name if group == "methods" else "maml"
    grid = {
        "algorithms": list(dict.fromkeys([algorithm, "maml"])),  # which heeds [train]
        "datasets": dataset,
        "shots": 1,
        "seeds": 1,
        **({"models": name} if group == "models" else {}),
    }
    suite = {**BASE, "grid": [grid if regression else {**grid, "ways": 5}]}
    table = TABLE_OF[group]
    before = cell_of(tmp_path, {**suite, table: {name: together}})
    after = cell_of(tmp_path, {**suite, table: {name: said}})
    assert after.fit.id != before.fit.id
    assert after.id != before.id


@pytest.mark.parametrize("key", ["ways", "shots"])
def test_shape_of_the_episodes_moves_the_id(tmp_path: Path, key: str) -> None:
    other = {**BASE, "grid": [{**BASE["grid"][0], key: 3}]}
    assert cell_of(tmp_path, other).id != cell_of(tmp_path, BASE).id


def test_fits_are_shared_where_training_is_the_same(tmp_path: Path) -> None:
    shapes = "ways = 5\nshots = 1\n"
    text = toml_text({**BASE, "grid": [{**BASE["grid"][0], "shots": [1, 5]}]})
    assert len({cell.fit.id for cell in load(tmp_path, text).cells}) == 2
    text = text.replace("[train]\n", f"[validate]\n{shapes}[train]\n{shapes}")
    assert len({cell.fit.id for cell in load(tmp_path, text).cells}) == 1


def test_a_target_that_is_noted_moves_no_id(tmp_path: Path) -> None:
    aimed = cell_of(tmp_path, {**BASE, "validate": {"target": 0.5}})
    assert (aimed.id, aimed.target) == (cell_of(tmp_path, BASE).id, 0.5)


UNREAD: dict[str, tuple[dict[str, Any], dict[str, dict[str, Any]]]] = {
    "the training of a method that does not train": (
        {"algorithms": ["scratch", "maml"]},
        {
            "train": {"seconds": 3, "tasks_per_batch": 7, "shots": 3, "query_shots": 4}
            | {"schedule": "cosine"},
            "validate": {"every": 3, "patience": 2, "select": "last", "shots": 4, "target": 0.5},
        },
    ),
    "the validation of a method that chooses nothing": (
        {"algorithms": ["nearest", "maml"]},
        {"validate": {"episodes": 3, "query_shots": 7}, "train": {"tasks": 8}},
    ),
    "the model of a method without a network": (
        {"algorithms": ["nearest", "maml"], "models": "conv4"},
        {"models": {"conv4": {"filters": 8}}},
    ),
    "batch normalisation of a method without a network": (
        {"algorithms": ["nearest", "maml"]},
        {"evaluate": {"batch_norm": ["query", "support"]}},
    ),
    "steps of the test where none are taken": (
        {"algorithms": ["protonet", "maml"]},
        {"evaluate": {"steps": 3}},
    ),
}


@pytest.mark.parametrize("what", UNREAD)
def test_what_nothing_reads_moves_no_id(tmp_path: Path, what: str) -> None:
    changed, said = UNREAD[what]
    grid = {key: value for key, value in {**BASE["grid"][0], **changed}.items() if value}
    base = {**BASE, "grid": [grid]}
    before, after = cell_of(tmp_path, base), cell_of(tmp_path, {**base, **said})
    assert (after.id, after.fit.id) == (before.id, before.fit.id)


def test_steps_of_a_schedule_belong_to_a_schedule_in_steps(tmp_path: Path) -> None:
    """The suite cannot say them in vain; its project can."""
    before = cell_of(tmp_path, BASE)
    (tmp_path / "benchmark.toml").write_text("[train]\nstep_every = 3\nstep_factor = 0.3\n")
    assert cell_of(tmp_path, BASE).id == before.id
    stepped = {**BASE, "train": {**BASE["train"], "schedule": "step"}}
    heeded = cell_of(tmp_path, stepped)
    (tmp_path / "benchmark.toml").unlink()
    assert cell_of(tmp_path, stepped).id != heeded.id


@pytest.mark.parametrize(
    ("algorithm", "section", "said"),
    [
        ("scratch", "validate", {"episodes": 7}),
        ("scratch", "validate", {"query_shots": 7}),
        ("scratch", "models", {"conv4": {"filters": 8}}),
        ("nearest", "evaluate", {"episodes": 7}),
        ("nearest", "datasets", {"omniglot": {"split": "random"}}),
    ],
)
def test_what_a_method_that_does_not_train_reads_moves_its_id(
    tmp_path: Path, algorithm: str, section: str, said: dict[str, Any]
) -> None:
    base = {**BASE, "grid": [{**BASE["grid"][0], "algorithms": [algorithm, "maml"]}]}
    assert cell_of(tmp_path, base).id != cell_of(tmp_path, {**base, section: said}).id


def test_a_cell_stands_at_every_point_that_does_not_reach_it(tmp_path: Path) -> None:
    grid = {
        "algorithms": ["protonet", "scratch", "nearest"],
        "datasets": ["glyphs"],
        "models": ["conv4", "wide"],
        "ways": 5,
        "shots": 1,
        "seeds": 1,
        "axes": {"train.iterations": [10, 20]},
    }
    suite = {"grid": [grid], "models": {"wide": {"model": "conv4", "filters": 96}}}
    cells = load(tmp_path, toml_text(suite)).cells
    assert len(cells) == 12
    ids = {
        name: {cell.id for cell in cells if cell.labels["algorithm"] == name}
        for name in ("protonet", "scratch", "nearest")
    }
    assert {name: len(found) for name, found in ids.items()} == {
        "protonet": 4,
        "scratch": 2,
        "nearest": 1,
    }


@pytest.mark.parametrize("group", ["models", "datasets", "algorithms"])
def test_two_labels_for_one_thing_are_still_refused(tmp_path: Path, group: str) -> None:
    """Not where a cell is one because its method does not read what differs."""
    names = {"models": "conv4", "datasets": "glyphs", "algorithms": "protonet"}
    grid = {key: [name] for key, name in names.items()} | {"ways": 5, "shots": 1, "seeds": 1}
    grid[group] = [*grid[group], "twin"]
    kind = {"algorithms": "method"}.get(group, group[:-1])
    suite = {**BASE, "grid": [grid], group: {"twin": {kind: names[group]}}}
    with pytest.raises(ConfigError, match="two names for the same cell"):
        load(tmp_path, toml_text(suite))


def test_without_defaults_keeps_what_has_no_default() -> None:
    assert without_defaults(Evaluate(ways=None, shots=1)) == {"ways": None, "shots": 1}


def test_no_two_cells_of_a_suite_have_one_id(tmp_path: Path) -> None:
    cells = load(tmp_path, GOOD).cells
    assert len({cell.id for cell in cells}) == len({cell.stem for cell in cells}) == len(cells)
