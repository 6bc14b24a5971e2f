"""Which groups and cells of two run folders are compared, and which are refused with a reason."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from seeded_run import seeded_run
from synthetic_run import Record, Synthetic, fail
from two_sides import MSE, side

from metabench.compare.joining import Joined, Refused, join
from metabench.compare.judging import compare
from metabench.compare.sides import read_side
from metabench.errors import FolderError
from metabench.tables.margins import MarginPair

SMALL = {"algorithms": ("maml", "protonet"), "shots": (1,), "seeds": (0, 1, 2)}
ALL = [("maml", 1, seed) for seed in (0, 1, 2)]


def write(folder: Path, change: Callable[[Record], None] | None = None, **said: Any) -> Path:
    """A run folder in which all records of maml are changed."""
    changes = dict.fromkeys(ALL, change) if change else {}
    return Synthetic(**{**SMALL, "change": changes, **said}).write(folder)


def joined(baseline: Path, head: Path) -> dict[str, Joined | Refused]:
    """Groups by algorithm."""
    found, _ = join(read_side(baseline), read_side(head))
    return {str(one.place["algorithm"]): one for one in found}


def edit_cells(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change cells.json, which has no digest in schema 1."""
    path = folder / "cells.json"
    described = json.loads(path.read_text())
    change(described)
    path.write_text(json.dumps(described))


def counts(baseline: Path, head: Path) -> dict[str, int]:
    return dict(compare(read_side(baseline), read_side(head), MarginPair()).counts)


def test_a_folder_beside_itself_is_identical(tmp_path: Path) -> None:
    run = write(tmp_path / "run")
    assert counts(run, run) == {"identical": 2}


def test_a_copy_is_identical_though_its_times_differ(tmp_path: Path) -> None:
    def slower(record: Record) -> None:
        record["measured"]["seconds_per_iteration"] = 9.0

    one, other = write(tmp_path / "one"), write(tmp_path / "other", slower)
    assert counts(one, other) == {"identical": 2}


def test_a_head_without_all_seeds_is_not_identical_and_says_so(tmp_path: Path) -> None:
    one = write(tmp_path / "one")
    other = write(tmp_path / "other", seeds=(0, 1))
    found = compare(read_side(one), read_side(other), MarginPair())
    assert {group.verdict for group in found.groups} == {"fine"}
    for group in found.groups:
        assert "seeds that the baseline alone has are left out: 2" in group.notes


def test_seeds_that_neither_side_has_are_told(tmp_path: Path) -> None:
    change = {("maml", 1, seed): "missing" for seed in (0, 1)}
    one = Synthetic(**{**SMALL, "change": change}).write(tmp_path / "one")
    found = joined(one, one)["maml"]
    assert isinstance(found, Joined)
    assert "seeds without a result on either side: 0, 1" in found.notes


def test_one_other_bit_in_an_array_is_not_identical(tmp_path: Path) -> None:
    one = write(tmp_path / "one")
    other = shutil.copytree(one, tmp_path / "other")
    path = min(other.glob("records/maml-*-s1-*.npz"))
    scores = np.load(path)["result/scores"]
    scores[7] = np.nextafter(scores[7], 1)
    np.savez_compressed(path, **{"result/scores": scores})
    assert counts(one, other) == {"fine": 1, "identical": 1}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            lambda record: record["provenance"].update(data_digest="00" * 32),
            "was made on other data: the digests of its content differ",
        ),
        (
            lambda record: record["config"]["fit"].update(
                dataset={"name": "omniglot", "version": 2, "settings": {}}
            ),
            None,
        ),
    ],
)
def test_other_data_are_refused(
    tmp_path: Path, change: Callable[[Record], None], why: str | None
) -> None:
    def begun(record: Record) -> None:
        record["config"]["fit"]["dataset"] = {"name": "omniglot", "version": 1, "settings": {}}

    one, other = write(tmp_path / "one", begun), write(tmp_path / "other", change)
    found = joined(one, other)["maml"]
    assert isinstance(found, Refused)
    assert found.why == (
        why or "was made on other data: dataset.version: 1 in the baseline, 2 in head"
    )
    assert isinstance(joined(one, other)["protonet"], Joined)


def test_tests_of_one_training_decide_nothing(tmp_path: Path) -> None:
    """However sure they are of the two trainings that they are tests of."""
    one = seeded_run(tmp_path / "one")
    other = shutil.copytree(one, tmp_path / "other")
    for path in other.glob("records/*.json"):
        record = json.loads(path.read_text())
        record["result"]["score"] -= 0.2
        path.write_text(json.dumps(record))
    found = compare(read_side(one), read_side(other), MarginPair())
    by_over = {
        tuple(key for key in ("init", "data", "test") if f"seeds.{key}" in group.place): group
        for group in found.groups
    }
    tests = by_over["init", "data"]
    assert tests.verdict == "inconclusive"
    assert any("tests of one training" in note for note in tests.notes)
    assert by_over[()].verdict == "regressed"


@pytest.mark.parametrize("stream", ["init", "data", "test"])
def test_seeds_that_stand_for_other_streams_are_refused(tmp_path: Path, stream: str) -> None:
    one = write(tmp_path / "one")
    other = shutil.copytree(one, tmp_path / "other")
    path = other / "cells.json"
    told = json.loads(path.read_text())
    for entry in told["cells"]:
        entry["streams"] = {"init": entry["seed"], "data": entry["seed"], "test": entry["seed"]}
        entry["streams"][stream] = 0
    path.write_text(json.dumps(told))
    found = joined(one, other)["maml"]
    assert isinstance(found, Refused)
    assert f"seeds.{stream}: 1 in the baseline, 0 in head" in found.why


def test_a_split_of_each_seed_is_no_other_data(tmp_path: Path) -> None:
    def of(lost: int | None) -> Callable[[Record], None]:
        def begun(record: Record) -> None:
            settings = {"split": "alphabet", "split_seed": record["seed"]}
            part = {"name": "omniglot", "version": 1, "settings": settings}
            record["config"]["fit"] |= {"dataset": part, "init_seed": record["seed"]}
            if record["seed"] == lost:
                fail(record, "failed")

        return begun

    every = {("maml", 1, seed): of(None) for seed in range(5)}
    one = Synthetic(("maml",), shots=(1,), change=every).write(tmp_path / "one")
    lost = {key: of(0) for key in every}
    other = Synthetic(("maml",), shots=(1,), change=lost).write(tmp_path / "other")
    found = joined(one, other)["maml"]
    assert isinstance(found, Joined)
    assert not any("recipe" in note for note in found.notes)


def test_a_failure_before_there_were_data_is_a_regression_and_not_refused(tmp_path: Path) -> None:
    def failed(record: Record) -> None:
        fail(record, "failed")
        del record["provenance"]["data_digest"]

    one, other = write(tmp_path / "one"), write(tmp_path / "other", failed)
    assert counts(one, other) == {"regressed": 1, "identical": 1}


def test_another_metric_is_refused() -> None:
    (found,), _ = join(side({"maml": [0.5]}), side({"maml": [0.5]}, metric=MSE))
    assert isinstance(found, Refused)
    assert found.why == "is scored by accuracy in the baseline, by mse in head"


def test_another_number_of_test_episodes_is_refused_and_said() -> None:
    baseline, head = side({"maml": [0.5]}), side({"maml": [0.5]}, episodes=1000)
    (found,), new = join(baseline, head)
    assert isinstance(found, Refused)
    assert found.why == "is tested otherwise: episodes: 600 in the baseline, 1000 in head"
    assert new == []


def test_groups_of_one_side_alone_are_told() -> None:
    (found, _), new = join(side({"maml": [0.5], "anil": [0.5]}), side({"anil": [0.5]}))
    assert isinstance(found, Refused)
    assert found.why == "head's suite has no such group"
    found_all, new = join(side({"anil": [0.5]}), side({"maml": [0.5], "anil": [0.5]}))
    assert [type(one) for one in found_all] == [Joined]
    assert [group.place["algorithm"] for group in new] == ["maml"]


@pytest.mark.parametrize("array", ["result/query_ids", "result/truth"])
def test_other_test_episodes_under_the_same_seeds_are_refused(tmp_path: Path, array: str) -> None:
    """The sampler has changed, or the data: a difference of scores would be theirs."""

    def rescored(record: Record) -> None:
        record["result"]["score"] += 0.001

    one, other = write(tmp_path / "one"), write(tmp_path / "other", rescored)
    for folder, last in ((one, 3), (other, 4)):
        for path in folder.glob("records/maml-*.npz"):
            np.savez_compressed(path, **{array: np.array([1, 2, last])})
    found = joined(one, other)["maml"]
    assert isinstance(found, Refused)
    assert "was tested on other episodes, seed 0" in found.why
    # under another root seed the episodes are others, as they should be
    edit_cells(other, lambda described: described.update(root_seed=1))
    unrelated = joined(one, other)["maml"]
    assert isinstance(unrelated, Joined)
    assert not unrelated.paired


def test_another_recipe_is_compared_and_said(tmp_path: Path) -> None:
    def recipe(iterations: int) -> Callable[[Record], None]:
        return lambda record: record["config"]["fit"].update(
            train={"iterations": iterations, **({"new": 1} if iterations == 50 else {})}
        )

    one, other = write(tmp_path / "one", recipe(100)), write(tmp_path / "other", recipe(50))
    found = joined(one, other)["maml"]
    assert isinstance(found, Joined)
    assert found.notes == ("the recipe differs: train.iterations: 100 in the baseline, 50 in head",)


def test_a_truncated_record_is_told_and_counts_as_lost(tmp_path: Path) -> None:
    one = write(tmp_path / "one")
    cut = shutil.copytree(one, tmp_path / "cut")
    path = min(cut.glob("records/maml-*-s0-*.json"))
    path.write_bytes(path.read_bytes()[:200])
    found = compare(read_side(one), read_side(cut), MarginPair())
    assert found.counts == {"regressed": 1, "identical": 1}
    assert any("is damaged" in note for note in found.notes)


@pytest.mark.parametrize("side", ["baseline", "head"])
def test_a_record_of_a_newer_metabench_is_refused(tmp_path: Path, side: str) -> None:
    """It may hold a good result: nothing is lost, and nothing is known."""
    one = write(tmp_path / "one")
    newer = shutil.copytree(one, tmp_path / "newer")
    path = min(newer.glob("records/maml-*-s0-*.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": 99}))
    baseline, head = (newer, one) if side == "baseline" else (one, newer)
    found = compare(read_side(baseline), read_side(head), MarginPair())
    assert found.counts == {"refused": 1, "identical": 1}
    assert any("has schema 99" in note for group in found.groups for note in group.notes)


def test_the_seeds_of_a_side_are_those_that_were_run(tmp_path: Path) -> None:
    run = write(tmp_path / "run")
    for path in run.glob("records/*-s1-*"):
        path.unlink()
    side = read_side(run)
    assert 1 in side.seeds
    assert 1 not in side.seeds_run


def test_a_record_that_has_lost_its_score_counts_as_lost(tmp_path: Path) -> None:
    def scoreless(record: Record) -> None:
        if record["seed"] == 1:
            record["result"]["score"] = None

    one, other = write(tmp_path / "one"), write(tmp_path / "other", scoreless)
    found = compare(read_side(one), read_side(other), MarginPair())
    assert found.counts == {"regressed": 1, "identical": 1}
    why = "completed in the baseline and not in head: seed 1: completed, and has no score"
    assert found.groups[0].notes == (why,)
    assert counts(other, one) == {"fine": 1, "identical": 1}


def test_foreign_records_and_folders_are_not_compared(tmp_path: Path) -> None:
    one = write(tmp_path / "one")
    other = shutil.copytree(one, tmp_path / "other")
    foreign = min(write(tmp_path / "foreign", shots=(5,)).glob("records/maml-*.json"))
    for suffix in (".json", ".npz"):
        path = foreign.with_suffix(suffix)
        shutil.copy(path, other / "records" / path.name)
    assert counts(one, other) == {"identical": 2}
    with pytest.raises(FolderError, match="is no run folder"):
        read_side(tmp_path)


def test_runs_of_two_suites_are_told(tmp_path: Path) -> None:
    one, other = write(tmp_path / "one"), write(tmp_path / "other", suite="another")
    found = compare(read_side(one), read_side(other), MarginPair())
    assert "the runs are of two suites, 'omniglot-small' and 'another'" in found.notes


def test_a_commit_that_is_none_is_not_taken_for_one(tmp_path: Path) -> None:
    """Records may be anyone's, and a commit goes to git."""
    run = write(tmp_path / "run", lambda record: record["provenance"].update(commit="--exec=x"))
    assert read_side(run).commits == ["0123456789ab"]  # protonet's
