"""Fits that need fits: a teacher, and a pre-training that several ways to tune share."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from workshop import Workshop, footprints, records, results

from metabench.cells import Cell
from metabench.cli import main
from metabench.errors import StaleError
from metabench.records import RecordStore
from metabench.runner import following
from metabench.runner.messages import Event, Job, Started
from metabench.runner.resources import ENGINES, EngineName
from metabench.suite import Suite, load_suite

pytestmark = pytest.mark.slow

SUITE = """
{top}
[grid]
algorithms = [{algorithms}]
datasets = ["sinusoid"]
shots = [5]
seeds = {seeds}

[train]
iterations = 6
tasks_per_batch = 2

[validate]
every = 3
episodes = 4

[evaluate]
episodes = 8

[algorithms.pretrained]
rates = [0.01]
tune = ["head"]
steps = [0, 2]

[algorithms.same]
method = "finetuned"
needs.start = "pretrained"
rates = [0.01]
tune = ["head"]
steps = [0, 2]

[algorithms.other]
method = "finetuned"
needs = {{ start = "pretrained" }}
rates = [0.1]
tune = ["all"]
steps = [1]

[algorithms.teacher]
method = "misbehaving"
deed = "{deed}"

[algorithms.student]
method = "distilled"
needs.teacher = {{ algorithm = "teacher" }}

[algorithms.grandchild]
method = "distilled"
needs.teacher = "student"

[algorithms.tuned_twice]
method = "distilled"
needs.teacher = "same"
"""


@pytest.fixture(scope="module")
def school(shared_workshop: Workshop) -> Workshop:
    folder = shared_workshop.folder
    shutil.copy(Path(__file__).with_name("distilled.py"), folder)
    with (folder / "benchmark.toml").open("a") as file:
        file.write('distilled = "distilled:Distilled"\n')
    return shared_workshop


def write(
    school: Workshop, *algorithms: str, seeds: int = 1, deed: str = "none", top: str = ""
) -> str:
    """Write a suite, and return its name."""
    named = ", ".join(f'"{name}"' for name in algorithms)
    text = SUITE.format(algorithms=named, seeds=seeds, deed=deed, top=top)
    (school.folder / "suites" / "school.toml").write_text(text)
    return "school"


def by_algorithm(folder: Path, seed: int = 0) -> dict[str, dict[str, Any]]:
    """The record of each algorithm."""
    return {
        name.split()[0]: found for name, found in records(folder).items() if f" {seed} " in name
    }


def weights(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("weights/*")}


def loaded(school: Workshop) -> Suite:
    return load_suite("school", school.project)


def cell_of(suite: Suite, algorithm: str) -> Cell:
    return next(cell for cell in suite.cells if cell.labels["algorithm"] == algorithm)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """The jobs that are started, in their order."""
    jobs: list[Job] = []
    tell = following.Following._tell

    def listen(self: following.Following, job: Job, event: Event) -> None:
        if isinstance(event, Started):
            jobs.append(job)
        tell(self, job, event)

    monkeypatch.setattr(following.Following, "_tell", listen)
    return jobs


@pytest.mark.parametrize("engine", ENGINES)
def test_fine_tuning_of_a_pretraining_is_what_pretrained_does_to_the_bit(
    school: Workshop, tmp_path: Path, engine: EngineName
) -> None:
    name = write(school, "pretrained", "same", "other", seeds=2)
    folder = school.run(name, out=tmp_path / "run", engine=engine).folder
    store = RecordStore(folder)
    for seed in (0, 1):
        found = by_algorithm(folder, seed)
        whole, tuned = found["pretrained"], found["same"]
        for key in ("score", "interval", "adaptation", "choice", "outcome"):
            assert tuned["result"][key] == whole["result"][key]
        assert found["other"]["result"]["score"] != whole["result"]["score"]
        one, two = (
            store.arrays(store.find(record["cell"]).path)  # type: ignore[arg-type]
            for record in (whole, tuned)
        )
        for key in ("scores", "adaptation", "prediction", "truth"):
            assert np.array_equal(one[f"result/{key}"], two[f"result/{key}"])
        assert tuned["result"]["iterations"] == 0


def test_what_several_need_runs_once_and_first_and_has_no_record_where_no_grid_has_it(
    school: Workshop, tmp_path: Path, started: list[Job]
) -> None:
    name = write(school, "same", "other")
    summary = school.run(name, out=tmp_path / "run")
    assert (summary.finished, summary.missing, summary.exit_status) == (2, 0, 0)
    first, *others = [(job.fit.algorithm, job.tests) for job in started]
    assert first == ("pretrained", False)
    assert sorted(others) == [("other", True), ("same", True)]
    assert set(by_algorithm(summary.folder)) == {"same", "other"}
    assert weights(summary.folder) == {started[0].fit.id}
    started.clear()
    write(school, "same", "other", "pretrained")  # which is tested with what is there
    assert school.run(name, out=tmp_path / "run").finished == 1
    assert [(job.fit.algorithm, job.evaluates) for job in started] == [("pretrained", True)]


def test_provenance_says_which_weights_were_taken(school: Workshop, tmp_path: Path) -> None:
    name = write(school, "teacher", "student", "grandchild", "tuned_twice", "pretrained")
    folder = school.run(name, out=tmp_path / "run").folder
    found = by_algorithm(folder)
    taken = found["student"]["provenance"]["needs"]["teacher"]
    assert taken["fit"] == found["teacher"]["fit"]
    assert len(taken["weights"]) == 64
    assert "needs" not in found["teacher"]["provenance"]
    assert found["grandchild"]["provenance"]["needs"]["teacher"]["fit"] == found["student"]["fit"]
    below = found["tuned_twice"]["provenance"]["needs"]
    assert {role: told["fit"] for role, told in below.items()} == {
        "teacher.start": found["pretrained"]["fit"]
    }
    config = found["student"]["config"]["fit"]["needs"]["teacher"]
    assert config["method"]["name"] == "misbehaving"


def test_a_teacher_is_learnt_from_and_in_the_identity(school: Workshop, tmp_path: Path) -> None:
    name = write(school, "student", "teacher")
    first = cell_of(loaded(school), "student")
    folder = school.run(name, out=tmp_path / "one").folder
    scores = {key: found["result"]["score"] for key, found in by_algorithm(folder).items()}
    assert scores["student"] != scores["teacher"]
    write(school, "student", "teacher", deed="print")  # of which no weight depends
    second = cell_of(loaded(school), "student")
    assert first.fit.id != second.fit.id
    assert first.fit.needs["teacher"].id != second.fit.needs["teacher"].id
    again = school.run(name, out=tmp_path / "two").folder
    assert by_algorithm(again)["student"]["result"]["score"] == scores["student"]


def test_weights_of_a_student_need_no_teacher_any_more(
    school: Workshop, tmp_path: Path, started: list[Job]
) -> None:
    name = write(school, "student")
    folder = school.run(name, out=tmp_path / "run").folder
    taken = by_algorithm(folder)["student"]["provenance"]["needs"]
    (folder / "weights" / f"{taken['teacher']['fit']}.safetensors").unlink()
    for path in folder.glob("records/student-*"):
        path.unlink()
    before = results(folder)
    started.clear()
    assert school.run(name, out=folder).exit_status == 0
    assert [job.fit.algorithm for job in started] == ["student"]
    assert by_algorithm(folder)["student"]["provenance"]["needs"] == taken
    assert before == {}


@pytest.mark.parametrize(
    ("deed", "outcome"),
    [
        ("raise", "failed: ValueError: the deed was done"),
        ("kill", "killed"),
        ("diverge", "diverged"),
    ],
)
@pytest.mark.parametrize("with_cells", [True, False])
def test_a_failed_need_is_told_apart(
    school: Workshop, tmp_path: Path, deed: str, outcome: str, with_cells: bool
) -> None:
    teacher = ("teacher",) if with_cells else ()
    name = write(school, *teacher, "student", "grandchild", "same", deed=deed)
    summary = school.run(name, out=tmp_path / "run")
    assert summary.exit_status == 3
    found = by_algorithm(summary.folder)
    assert found["same"]["result"]["outcome"] == "completed"
    error = found["student"]["result"]["error"]
    assert found["student"]["result"]["outcome"] == "needs_failed"
    assert error["message"].startswith("teacher: ")
    assert outcome in error["message"]
    assert (
        "teacher: student-sinusoid-5s-s0: needs_failed"
        in (found["grandchild"]["result"]["error"]["message"])
    )
    # who tries again finds the same, and nothing in the way
    assert school.run(name, out=tmp_path / "run").exit_status == 3


def test_a_need_whose_test_fails_has_weights_all_the_same(
    school: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = write(school, "pretrained", "same")

    def fail(*_: Any, **__: Any) -> None:
        if _[0].fit.algorithm == "pretrained":
            raise ValueError("no test today")
        return original(*_, **__)

    from metabench.experiment import fit

    original = fit.settle
    monkeypatch.setattr(fit, "settle", fail)
    summary = school.run(name, out=tmp_path / "run", engine="inline")
    found = by_algorithm(summary.folder)
    assert found["pretrained"]["result"]["outcome"] == "failed"
    assert found["same"]["result"]["outcome"] == "completed"


@pytest.mark.parametrize("algorithms", [("same", "other"), ("pretrained", "same", "teacher")])
def test_without_keep_weights_those_of_needs_are_kept_until_the_run_is_over(
    school: Workshop, tmp_path: Path, algorithms: tuple[str, ...]
) -> None:
    write(school, *algorithms, top="keep_weights = false")
    lean = school.run("school", out=tmp_path / "lean").folder
    assert not (lean / "weights").exists()
    write(school, *algorithms)
    assert results(lean) == results(school.run("school", out=tmp_path / "kept").folder)


def test_a_need_that_is_done_and_has_no_weights_is_trained_again_and_not_tested(
    school: Workshop, tmp_path: Path, started: list[Job]
) -> None:
    name = write(school, "pretrained", "same")
    folder = school.run(name, out=tmp_path / "run", only=("algorithm=pretrained",)).folder
    shutil.rmtree(folder / "weights")
    before = footprints(folder)
    started.clear()
    summary = school.run(name, out=folder, only=("algorithm=same",))
    assert (summary.finished, summary.kept) == (1, 0)
    assert [(job.fit.algorithm, job.tests) for job in started] == [
        ("pretrained", False),
        ("same", True),
    ]
    after = footprints(folder)
    assert {path: after[path] for path in before} == before


def test_weights_that_were_taken_under_other_conditions_leave_a_stale_record(
    school: Workshop,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(school.folder)
    name = write(school, "pretrained", "same")
    folder = school.run(name, out=tmp_path / "run", only=("algorithm=pretrained",)).folder
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("metabench.provenance.conditions.cpu_capability", lambda: "another")
        school.run(name, out=folder, stale="keep", engine="inline")
        with pytest.raises(StaleError, match="the weights of its start"):
            school.run(name, out=folder)
        assert main(["status", str(folder)]) == 0
        assert "the weights of its start (1 cell)" in capsys.readouterr().out
        school.run(name, out=folder, stale="rerun", engine="inline")
        assert school.run(name, out=folder).kept == 2
    with pytest.raises(StaleError):
        school.run(name, out=folder)


def test_a_plan_a_probe_and_verify_know_of_needs(
    school: Workshop,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(school.folder)
    name, folder = write(school, "same", "student", "pretrained"), str(tmp_path / "run")
    school.run(name, out=tmp_path / "run", only=("algorithm=pretrained",))
    capsys.readouterr()
    arguments = [name, "--device", "cpu", "--out", folder]
    assert main(["plan", *arguments, "--probe", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(fit["name"].split("-")[0], fit["to_do"], fit["cells"]) for fit in told["plan"]] == [
        ("teacher", "train", {}),
        ("same", "evaluate", {"missing": 1}),
        ("student", "train", {"missing": 1}),
        ("pretrained", None, {"done": 1}),
    ]
    assert (told["fits_to_run"], told["fits_to_train"]) == (3, 2)
    assert told["failed_probes"] == []
    assert told["expected_seconds"] > 0
    assert main(["run", *arguments, "--no-report"]) == 0
    assert main(["plan", *arguments]) == 0
    assert "nothing to run" in capsys.readouterr().out
    assert main(["verify", folder, "--device", "cpu", "--only", "algorithm=same,student"]) == 0
    assert "2 equal to the bit" in capsys.readouterr().out
    assert main(["status", folder]) == 0
