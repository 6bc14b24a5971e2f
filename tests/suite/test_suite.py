"""Suites: what expands to what, who wins where several say something, and what a resolved suite
is."""

from __future__ import annotations

import math
import os
import tomllib
from itertools import combinations_with_replacement
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from suite_project import GOOD, load, write_suite

from metabench import registry
from metabench.cells import Cell, Part
from metabench.datasets.class_splits import SPLITS
from metabench.errors import ConfigError
from metabench.records.contents import metric_of
from metabench.suite import Suite, every_suite, load_suite, parse_seeds, suite_names
from metabench.suite.document import Document, read_document
from metabench.suite.networks import misfit
from metabench.suite.project import load_project
from metabench.suite.toml import toml_text, toml_value

ROOT = Path(__file__).parents[2]
GRID = '[grid]\nalgorithms = "maml"\ndatasets = "omniglot"\nways = 5\nshots = 1\nseeds = 1\n'


def only_cell(suite: Suite) -> Cell:
    """Return the one cell of a suite that has one."""
    (cell,) = suite.cells
    return cell


# Who wins


LAYERS = [  # each says every = its place; the last one said wins
    ("benchmark", "[validate]\nevery = 1\n"),
    ("suite", "[validate]\nevery = 2\n"),
    ("dataset", "[datasets.omniglot]\nvalidate.every = 3\n"),
    ("algorithm", "[algorithms.maml]\nvalidate.every = 4\n"),
    ("override", '[[override]]\nwhen = { dataset = "omniglot" }\nvalidate.every = 5\n'),
    ("later override", "[[override]]\nwhen = { ways = [5, 20] }\nvalidate.every = 6\n"),
    ("profile", "[profiles.short]\nvalidate = { every = 7 }\n"),
]


@pytest.mark.parametrize(
    ("first", "last"), list(combinations_with_replacement(range(len(LAYERS)), 2))
)
def test_later_layers_win(tmp_path: Path, first: int, last: int) -> None:
    grid = GRID.replace("ways = 5", "ways = [5, 20]") + "[train]\niterations = 10\n"
    said = dict(LAYERS[first : last + 1])
    (tmp_path / "benchmark.toml").write_text(said.pop("benchmark", ""))
    suite = load(
        tmp_path, grid + "".join(said.values()), profile="short" if "profile" in said else None
    )
    assert {cell.fit.validate.every for cell in suite.cells} == {last + 1}


def test_defaults_are_those_of_the_dataclasses(tmp_path: Path) -> None:
    cell = only_cell(load(tmp_path, GRID + "[train]\niterations = 10"))
    assert (cell.fit.train.tasks_per_batch, cell.fit.validate.every, cell.evaluate.episodes) == (
        4,
        500,
        600,
    )
    assert cell.fit.method.said == {}
    assert cell.fit.method.settings["inner_steps"] == 1


def test_axes_are_coordinates(tmp_path: Path) -> None:
    text = (
        GRID + 'axes = { "algorithm.inner_lr" = [0.1, 0.4], "train.tasks" = [100] '
        "}\n[train]\niterations = 10\n[algorithms.maml]\ninner_lr = 0.2\n"
    )
    cells = load(tmp_path, text).cells
    assert (
        [cell.labels["algorithm.inner_lr"] for cell in cells]
        == [cell.fit.method.settings["inner_lr"] for cell in cells]
        == [0.1, 0.4]
    )
    assert {(cell.fit.train.tasks, cell.fit.train.iterations) for cell in cells} == {(100, None)}
    assert (
        load(
            tmp_path,
            text.replace('axes = { "algorithm.inner_lr" =', "axes = { algorithm.inner_lr ="),
        ).cells
        == cells
    )


def test_a_later_budget_replaces_an_earlier_one(tmp_path: Path) -> None:
    cell = only_cell(
        load(tmp_path, GRID + "[train]\niterations = 10\n[datasets.omniglot]\ntrain.seconds = 5")
    )
    assert (cell.fit.train.iterations, cell.fit.train.seconds) == (None, 5.0)


def test_quoted_dotted_keys_are_nested_ones(tmp_path: Path) -> None:
    quoted = GOOD.replace("algorithm.inner_lr = 0.1", '"algorithm.inner_lr" = 0.1')
    assert load(tmp_path, quoted).cells == load(tmp_path, GOOD).cells


def test_overrides_reach_what_they_name_and_nothing_else(tmp_path: Path) -> None:
    cells = load(tmp_path, GOOD).cells
    assert cells
    for cell in cells:
        meant = cell.labels["algorithm"] == "maml" and cell.evaluate.ways == 20
        trains = cell.fit.method.name != "scratch"
        assert cell.fit.train.iterations == (2000 if meant else 1000 if trains else None)
        assert cell.fit.method.settings.get("inner_lr") == (
            None if cell.fit.method.name in ("protonet", "scratch") else 0.1 if meant else 0.01
        )


# What expands to what


def test_order_is_by_seed_then_point_then_algorithm(tmp_path: Path) -> None:
    cells = load(tmp_path, GOOD).cells
    assert [cell.fit.seed for cell in cells] == sorted(cell.fit.seed for cell in cells)
    assert [cell.labels["algorithm"] for cell in cells[:6]] == ["maml", "maml_5", "scratch"] * 2
    assert [cell.evaluate.shots for cell in cells[:6]] == [5, 5, 5, 10, 10, 10]


def test_shapes_of_training_are_the_cells_unless_said(tmp_path: Path) -> None:
    cell = only_cell(
        load(
            tmp_path,
            GRID.replace('"maml"', '"protonet"')
            + "[train]\niterations = 10\nways = 30\n[validate]\nshots = 2",
        )
    )
    assert (cell.fit.train.ways, cell.fit.train.shots) == (30, 1)
    assert (cell.fit.validate.ways, cell.fit.validate.shots) == (5, 2)


def test_regression_has_no_ways(tmp_path: Path) -> None:
    """And `train.ways` for all is no mistake where a part is classification."""
    text = (
        GRID.replace('"omniglot"', '["omniglot", "sinusoid"]')
        + "[train]\niterations = 10\nways = 5"
    )
    shapes = {
        cell.labels["dataset"]: (cell.evaluate.ways, cell.fit.train.ways, cell.fit.validate.ways)
        for cell in load(tmp_path, text).cells
    }
    assert shapes == {"omniglot": (5, 5, 5), "sinusoid": (None, None, None)}


def test_batch_norm_is_the_methods_unless_said(tmp_path: Path) -> None:
    text = GRID.replace('"maml"', '["maml", "protonet"]') + "[train]\niterations = 10\n"
    assert [cell.evaluate.batch_norm for cell in load(tmp_path, text).cells] == ["query", "running"]
    text += '[evaluate]\nbatch_norm = ["default", "query"]'
    assert [cell.evaluate.batch_norm for cell in load(tmp_path, text).cells] == [
        "query",
        "running",
        "query",
    ]
    text += '\n[[grid]]\nalgorithms = "maml"\ndatasets = "sinusoid"\nshots = 10\nseeds = 1\n'
    suite = load(tmp_path, text.replace("[grid]", "[[grid]]", 1))
    assert [cell.evaluate.batch_norm for cell in suite.cells][3:] == [None]


def test_lists_in_evaluate_share_a_fit(tmp_path: Path) -> None:
    cells = load(
        tmp_path,
        GRID + "[train]\niterations = 10\n[evaluate]\nepisodes = [10, 20]\nquery_shots = [1, 5]",
    ).cells
    assert len(cells) == 4
    assert len({cell.fit.id for cell in cells}) == 1


UNBALANCED = """
[train]
iterations = 10
query_shots = [9, 1, 1, 1, 1]
[validate]
query_shots = [1, 1, 1, 1, 2]
[evaluate]
query_shots = [15, [2, 2, 2, 2, 9]]
"""


def test_classes_may_have_different_numbers_of_queries(tmp_path: Path) -> None:
    """In [evaluate], where a list is an axis, as one value of it."""
    cells = load(tmp_path, GRID + UNBALANCED).cells
    assert [cell.evaluate.query_shots for cell in cells] == [15, (9, 2, 2, 2, 2)]
    assert len({cell.fit.id for cell in cells}) == 1
    assert cells[0].fit.train.query_shots == (9, 1, 1, 1, 1)
    assert cells[0].fit.validate.query_shots == (2, 1, 1, 1, 1)
    assert [metric_of(cell)["chance"] for cell in cells] == [0.2, 0.2]


def test_queries_of_each_class_can_be_an_axis(tmp_path: Path) -> None:
    axes = 'axes = { "evaluate.query_shots" = [3, [2, 2, 2, 2, 9]] }\n'
    cells = load(tmp_path, GRID + axes + "[train]\niterations = 10\n").cells
    assert [cell.evaluate.query_shots for cell in cells] == [3, (9, 2, 2, 2, 2)]
    assert [cell.labels["evaluate.query_shots"] for cell in cells] == [3, [2, 2, 2, 2, 9]]


def test_the_metric_of_the_test_scores_validation_too(tmp_path: Path) -> None:
    text = GRID + '[train]\niterations = 10\n[evaluate]\nmetric = "log_loss"\n'
    cell = only_cell(load(tmp_path, text))
    assert (cell.evaluate.metric, cell.fit.validate.metric) == ("log_loss", "log_loss")
    assert metric_of(cell) == {
        "name": "log_loss",
        "unit": "nats",
        "higher_is_better": False,
        "chance": pytest.approx(math.log(5)),
    }
    assert cell.group()["scored_by"] == "log_loss"
    assert "scored_by" not in only_cell(load(tmp_path, GRID + "[train]\niterations = 10\n")).group()


def test_other_datasets(tmp_path: Path) -> None:
    named = '[datasets.random]\ndataset = "omniglot"\nsplit = "random"\n'
    text = (
        GRID.replace('"omniglot"', '["omniglot", "random"]')
        + '[train]\niterations = 10\n[evaluate]\non = ["omniglot", "random"]\n'
        + named
    )
    cells = load(tmp_path, text).cells
    assert [(cell.labels["dataset"], cell.labels["on"]) for cell in cells] == [
        ("omniglot", "same"),
        ("omniglot", "random"),
        ("random", "omniglot"),
        ("random", "same"),
    ]
    assert [cell.evaluate.on and cell.evaluate.on.settings["split"] for cell in cells] == [
        None,
        "random",
        "vinyals",
        None,
    ]


def test_grids_that_overlap_are_one(tmp_path: Path) -> None:
    text = GRID.replace("[grid]", "[[grid]]") * 2 + "[train]\niterations = 10"
    assert len(load(tmp_path, text).cells) == 1


def test_reference_and_title(tmp_path: Path) -> None:
    suite = load(tmp_path, GRID + "[train]\niterations = 10")
    assert (suite.reference, suite.title, suite.name, suite.datasets) == (
        "maml",
        "x",
        "x",
        ("omniglot",),
    )


def test_step_keys_hold_where_any_schedule_is_in_steps(tmp_path: Path) -> None:
    text = (
        GRID.replace("shots = 1", 'shots = 1\naxes = { "train.schedule" = ["step", "linear"] }')
        + "[train]\niterations = 10\nstep_every = 5\n"
    )
    assert {cell.fit.train.schedule for cell in load(tmp_path, text).cells} == {"step", "linear"}
    text = (
        GRID
        + '[train]\niterations = 10\nschedule = "step"\nstep_factor = 0.1\n[[override]]\nwhen = { '
        "shots = 1 }\ntrain.step_every = 5"
    )
    assert only_cell(load(tmp_path, text)).fit.train.step_every == 5
    # for those suites that have such a schedule
    (tmp_path / "benchmark.toml").write_text("[train]\nstep_every = 5")
    assert (
        only_cell(load(tmp_path, GRID + "[train]\niterations = 10")).fit.train.schedule
        == "constant"
    )


def test_each_network_is_made_once_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[str, str, object]] = []

    def spy(model: Part, dataset: Part, ways: int | None, privileged: bool) -> str:
        made.append((model.name, dataset.name, ways))
        return misfit(model, dataset, ways, privileged)

    monkeypatch.setattr("metabench.suite.networks.misfit", spy)
    load(tmp_path, GOOD)
    assert sorted(made, key=str) == [
        ("conv4", "omniglot", 20),
        ("conv4", "omniglot", 5),
        ("mlp", "sinusoid", None),
    ]


# Profiles, restrictions, projects


def test_profile(tmp_path: Path) -> None:
    text = GOOD.replace("train.iterations = 10\n", "train.iterations = 10\nseeds = 1\n")
    suite = load(tmp_path, text, profile="short")
    assert suite.name == "x-short"
    assert {cell.fit.seed for cell in suite.cells} == {0}
    iterations = {cell.labels["algorithm"]: cell.fit.train.iterations for cell in suite.cells}
    assert iterations == {"maml": 10, "maml_5": 10, "protonet": 10, "scratch": None}
    with pytest.raises(
        ConfigError, match=r"no profile 'shrt'; there are short \(did you mean 'short'\?\)"
    ):
        load(tmp_path, text, profile="shrt")


def test_restrictions_select_and_leave_the_suite_whole(tmp_path: Path) -> None:
    whole = load(tmp_path, GOOD)
    suite = load(tmp_path, GOOD, seeds=[1], only=["algorithm=maml,protonet", "ways=5"])
    chosen = [cell for cell in suite.cells if cell.id in suite.selected]
    assert suite.cells == whole.cells
    assert len(whole.selected) == len(whole.cells)
    assert {(cell.labels["algorithm"], cell.evaluate.ways, cell.fit.seed) for cell in chosen} == {
        ("maml", 5, 1),
        ("protonet", 5, 1),
    }
    assert len(chosen) == 4


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            {"only": ["algoritm=maml"]},
            "expected KEY=VALUE[,VALUE] with a key of algorithm, dataset",
        ),
        ({"only": ["algorithm"]}, "expected KEY=VALUE"),
        (
            {"only": ["algorithm=mamml"]},
            "no cell has algorithm=mamml; there are maml, maml_5, protonet, scratch (did you mean "
            "'maml'?)",
        ),
        ({"only": ["algorithm=maml_5", "ways=20"]}, "no cell has all of this"),
        ({"seeds": [0, 7]}, "the suite has no seed 7; it has 0, 1"),
    ],
)
def test_restrictions_that_leave_nothing(
    tmp_path: Path, options: dict[str, list[str]], says: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, GOOD, **options)
    assert says in str(caught.value)


def test_seeds_of_the_command_line() -> None:
    assert parse_seeds("0-4") == [0, 1, 2, 3, 4]
    assert parse_seeds("7,0, 2-3,2") == [0, 2, 3, 7]


@pytest.mark.parametrize("text", ["", "a", "4-0", "-1", "1-", "0-99999999", "9" * 30])
def test_bad_seeds_of_the_command_line(text: str) -> None:
    with pytest.raises(ConfigError, match="expected seeds such as 0-4"):
        parse_seeds(text)


def test_an_empty_folder_is_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("METABENCH_DATA", raising=False)
    project = load_project(tmp_path)
    assert (project.suite, project.suites, project.reports, project.data) == (
        None,
        tmp_path / "suites",
        tmp_path / "reports",
        tmp_path / "data",
    )
    assert (project.workers, project.threads, project.confidence) == (0, 1, 0.95)
    assert suite_names(project) == []


def test_the_project_is_looked_for_upwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert load_project().root == deep
    (tmp_path / "benchmark.toml").write_text("threads = 2")
    assert (load_project().root, load_project().threads) == (tmp_path, 2)
    (tmp_path / "a" / "benchmark.toml").mkdir()  # a folder of that name is no project
    assert load_project().root == tmp_path
    (deep / "benchmark.toml").write_text("")
    assert load_project().root == deep
    assert load_project(tmp_path).root == tmp_path


def test_the_project_file_of_another_user_above_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its plugins are code: whoever may write to a folder above must not have it run here."""
    (tmp_path / "benchmark.toml").write_text("")
    (tmp_path / "a").mkdir()
    owner = (tmp_path / "benchmark.toml").stat().st_uid
    if owner == 0:
        os.chown(tmp_path / "benchmark.toml", 12345, -1)
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    monkeypatch.chdir(tmp_path / "a")
    assert load_project().root == tmp_path / "a"
    monkeypatch.chdir(tmp_path)
    assert load_project().root == tmp_path


def test_a_project_file_that_is_none_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "benchmark.toml").symlink_to("nowhere")
    with pytest.raises(ConfigError, match=r"benchmark\.toml: cannot be read: No such file"):
        load_project()
    (tmp_path / "benchmark.toml").unlink()
    (tmp_path / "benchmark.toml").mkdir()
    with pytest.raises(ConfigError, match=r"benchmark\.toml: cannot be read: Is a directory"):
        load_project()
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(ConfigError, match="the current folder has been deleted"):
        load_project()


def test_folders_may_lie_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("METABENCH_DATA", "~/data")
    (tmp_path / "benchmark.toml").write_text('reports = "~/reports"\nsuites = "mine"')
    project = load_project(tmp_path)
    assert (project.reports, project.data, project.suites) == (
        tmp_path / "home" / "reports",
        tmp_path / "home" / "data",
        tmp_path / "mine",
    )
    (tmp_path / "benchmark.toml").write_text('reports = "~no_such_user/reports"')
    with pytest.raises(
        ConfigError, match="~no_such_user/reports: Could not determine home directory"
    ):
        load_project(tmp_path)


def test_a_folder_of_suites_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "suites").write_text("")
    with pytest.raises(ConfigError, match="suites: the suites cannot be read: Not a directory"):
        suite_names(load_project(tmp_path))


def test_every_suite_is_loaded_or_what_is_wrong_with_it(tmp_path: Path) -> None:
    write_suite(tmp_path, GOOD, "good")
    write_suite(tmp_path, "grid = 3", "bad")
    (tmp_path / "suites" / "folder.toml").mkdir()
    (tmp_path / "suites" / "notes.txt").write_text("")
    found = every_suite(load_project(tmp_path))
    assert list(found) == ["bad", "good"]
    assert isinstance(found["good"], Suite)
    assert "expected a list" in str(found["bad"])


def test_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "benchmark.toml").write_text(
        'suite = "x"\nsuites = "suites"\ndata = "there"\nthreads = 2\n[train]\nshots = 3\n'
    )
    monkeypatch.delenv("METABENCH_DATA", raising=False)
    assert load_project(tmp_path).data == tmp_path / "there"
    monkeypatch.setenv("METABENCH_DATA", "elsewhere")
    project = load_project(tmp_path)
    assert (project.data, project.threads, project.train) == (
        Path.cwd() / "elsewhere",
        2,
        {"shots": 3},
    )
    write_suite(tmp_path, GRID + "[train]\niterations = 5")
    assert only_cell(load_suite(None, project)).fit.train.shots == 3


# The resolved suite


@pytest.mark.parametrize("profile", [None, "short"])
def test_resolved_suite_expands_to_the_same_cells_without_project_and_profile(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, profile: str | None
) -> None:
    (tmp_path / "benchmark.toml").write_text(
        "[train]\ntasks = 40\ntasks_per_batch = 2\n[evaluate]\nsampling = ['disjoint', "
        "'with_replacement']\n"
    )
    suite = load(
        tmp_path,
        GOOD.replace("train.iterations = 10\n", "train.iterations = 10\nseeds = [4]\n").replace(
            "episodes = 200", "episodes = 20"
        ),
        profile=profile,
    )
    again = load(tmp_path_factory.mktemp("elsewhere"), suite.resolved)
    assert again.cells == suite.cells
    assert (again.claims, again.reference, again.resolved) == (
        suite.claims,
        suite.reference,
        suite.resolved,
    )


TABLES = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=10,
)


@pytest.mark.slow
@given(st.dictionaries(st.text(), TABLES, max_size=4))
def test_written_toml_reads_back(
    tmp_path_factory: pytest.TempPathFactory, data: dict[str, object]
) -> None:
    path = tmp_path_factory.getbasetemp() / "written.toml"
    path.write_bytes(toml_text(data).encode())
    assert read_document(path).data == data


def test_no_control_character_is_shown_as_it_is() -> None:
    assert toml_value("\x1b[31m \x7f\x85\t") == '"\\u001b[31m \\u007f\\u0085\\t"'


def test_lines_of_keys() -> None:
    text = (
        'a = 1\nlong = """\nb = 2\n"""\n[t]\n"x.y" = 1\n[[list]]\nb = 1\n[[list]]\nc.d '
        "= { e = 1 }\n[list.inner]\nf = 1\n"
    )
    document = Document("f.toml", text)
    paths = [
        ("a",),
        ("b",),
        ("t",),
        ("t", "x", "y"),
        ("list", 0, "b"),
        ("list", 1),
        ("list", 1, "c", "d", "e"),
        ("list", 1, "inner", "f"),
        ("none",),
    ]
    assert [document.line(path) for path in paths] == [1, None, 5, 6, 8, 9, 10, 12, None]


# Suites of this repository


@pytest.mark.parametrize(
    ("name", "profile", "seeds"),
    [
        ("sinusoid", None, 5),
        ("sinusoid", "short", 4),
        ("sinusoid", "smoke", 1),
        ("maml_vs_reptile", "short", 4),
        ("omniglot-small", None, 5),
        ("omniglot-small", "short", 2),
    ],
)
def test_shipped_suites(name: str, profile: str | None, seeds: int) -> None:
    suite = load_suite(name, load_project(ROOT), profile=profile)
    assert suite.title
    assert suite.description
    assert suite.claims
    assert len({cell.fit.seed for cell in suite.cells}) == seeds
    assert {"maml", "fomaml", "scratch"} <= set(suite.algorithms)


@pytest.mark.slow
@pytest.mark.parametrize("name", suite_names(load_project(ROOT)))
def test_every_suite_loads_in_every_profile_and_says_where_its_claims_come_from(name: str) -> None:
    project = load_project(ROOT)
    profiles = tomllib.loads((ROOT / "suites" / f"{name}.toml").read_text()).get("profiles", {})
    for profile in (None, *profiles):
        suite = load_suite(name, project, profile=profile)
        assert all(claim.source for claim in suite.claims)
        assert suite.root_seed == (1 if profile == "final" else 0)


def test_the_tutorials_waves_are_the_papers_mirrored() -> None:
    """y = A sin(x + phase), phase from 0 to pi."""
    cell = load_suite("sinusoid-tutorial", load_project(ROOT)).cells[0]
    at = cell.fit.dataset.settings
    assert (at["phase_low"], at["phase_high"]) == (-math.pi, 0.0)


def test_the_tutorials_split_has_as_many_characters_on_glyphs_as_on_omniglot() -> None:
    cells = load_suite("maml_vs_reptile", load_project(ROOT)).cells
    parts = {cell.fit.dataset.name: cell.fit.dataset for cell in cells}
    sizes = registry.make("datasets", parts["glyphs"]).class_sizes(ROOT / "nowhere")
    assert [len(sizes[split]) for split in SPLITS] == [1200, 200, 223]
    said = parts["omniglot"].settings
    assert [said[f"{split}_classes"] for split in SPLITS] == [1200, 200, 223]


def test_benchmark_names_a_suite_that_is_there() -> None:
    project = load_project(ROOT)
    assert project.suite in suite_names(project)


def test_a_suite_knows_how_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = load(tmp_path, GOOD, profile="short")
    assert (suite.name, suite.argument, suite.profile) == ("x-short", "x", "short")
    monkeypatch.chdir(tmp_path)
    project = load_project(tmp_path)
    assert (
        load_suite("suites/x.toml", project).argument
        == load_suite(str(tmp_path / "suites" / "x.toml"), project).argument
        == "x"
    )
    (tmp_path / "y.toml").write_text(GOOD)
    assert load_suite("./y.toml", project).argument == "y.toml"
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    assert load_suite("../suites/x.toml", project).argument == "x"
    assert load_suite("../y.toml", project).argument == "y.toml"
    (tmp_path / "suites" / "linked.toml").symlink_to(tmp_path / "y.toml")
    assert load_suite("linked", project).argument == "linked"


def test_a_suite_elsewhere_is_asked_for_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "z.toml").write_text(GOOD)
    path = str(tmp_path / "z.toml")
    assert load_suite(path, load_project(tmp_path / "project")).argument == path
