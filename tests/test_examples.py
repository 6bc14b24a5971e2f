"""The examples that the README tells newcomers to begin from: small, and they run."""

import importlib
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from metabench import tables
from metabench.records import RecordStore
from metabench.testing import check_dataset, check_method, check_model
from metabench.verbs.run import run_project

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_examples_are_of_a_page() -> None:
    files = list(EXAMPLES.glob("*.py"))
    assert files
    for file in files:
        assert len(file.read_text().splitlines()) <= 60, file


@pytest.mark.slow
def test_methods_a_dataset_and_a_model_of_ones_own_run_beside_the_built_in_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = shutil.copytree(
        EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("reports", "__pycache__")
    )
    suite = project / "suites" / "own.toml"
    suite.write_text(
        suite.read_text()
        .replace("iterations = 200", "iterations = 20")
        .replace("seeds = 2", "seeds = 1")
    )
    monkeypatch.chdir(project)
    summary = run_project(None, workers=1)
    assert (summary.exit_status, summary.finished) == (0, 8)
    groups = tables.load(summary.folder).groups.set_index(["algorithm", "model", "dataset"])
    for dataset in ("glyphs", "gratings"):
        assert groups.loc[("cosine", "conv4", dataset), "score"] > 0.25  # chance is 0.2
    assert groups.loc[("maml", "mlp", "lines"), "score"] < 100
    assert groups.loc[("sign_maml", "mlp", "lines"), "score"] < 100
    assert groups.loc[("maml", "residual", "glyphs"), "score"] > 0.1
    ways = {
        record["labels"]["model"]: record["provenance"]["network"]
        for record in RecordStore(summary.folder).scan().records.values()
    }
    assert ways["residual"] == {"tasks": "packed", "why": None}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "name", "check"),
    [
        ("cosine", "CosinePrototypes", check_method),
        ("sign_maml", "SignMAML", check_method),
        ("lines", "Lines", check_dataset),
        ("gratings", "Gratings", check_dataset),
        ("residual", "SmallResidual", check_model),
    ],
)
def test_the_examples_pass_the_checks_and_use_the_door_alone(
    module: str, name: str, check: Callable[[type], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    check(getattr(importlib.import_module(module), name))
    source = (EXAMPLES / f"{module}.py").read_text()
    assert set(re.findall(r"from metabench(\S*) import", source)) == {".plugins"}
