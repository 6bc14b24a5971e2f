"""An entry of the history as a side: the same verdicts as its run folder where it tells enough, and
where it does not, a refusal or a word about it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dated_run import COMMITS, run_at
from synthetic_run import Record, fail

from metabench.compare import Side, as_line, compare, read_entry, read_side
from metabench.compare.margins import MarginPair
from metabench.compare.verdicts import Judged
from metabench.errors import FolderError
from metabench.history import append, entry_of
from metabench.identity import digest
from metabench.tables import load

SUITE = "omniglot-small"
SMALL: dict[str, Any] = {"algorithms": ("maml", "protonet"), "seeds": range(5), "arrays": True}
MAML = [("maml", 1, seed) for seed in range(5)]


def write(
    folder: Path, change: Callable[[Record], None] = lambda record: None, day: int = 0, **said: Any
) -> Path:
    """A run folder with a measured peak of memory, in which all records of maml are changed."""

    def edit(record: Record) -> None:
        above = {"training": 600 * 2**20, "test": 60 * 2**20}
        record["measured"]["peak_resident_above_bytes"] = above
        if record["labels"]["algorithm"] == "maml":
            change(record)

    return run_at(folder, day, edit, **{**SMALL, **said})


def kept(run: Path, folder: Path, change: Callable[[dict[str, Any]], Any] | None = None) -> Side:
    """The entry of a run folder, read again; `change` is made to its line."""
    entry = entry_of(load(run))
    assert entry is not None
    append(folder, entry)
    path = folder / f"{SUITE}.jsonl"
    if change is not None:
        told = json.loads(path.read_text())
        change(told)
        path.write_text(json.dumps(told) + "\n")
    return named(str(path))


def named(name: str) -> Side:
    line = as_line(name)
    assert line is not None
    return read_entry(line)


def judged(baseline: Side, head: Side) -> dict[str, Judged]:
    """Groups by algorithm."""
    found = compare(baseline, head, MarginPair())
    return {str(one.place["algorithm"]): one for one in found.groups}


def moved(by: float) -> Callable[[Record], None]:
    def change(record: Record) -> None:
        record["result"]["score"] += by + 0.0001 * record["seed"]

    return change


def hungrier(record: Record) -> None:
    moved(0.0)(record)
    record["measured"]["peak_resident_above_bytes"]["training"] *= 2


CHANGES: dict[str, Callable[[Record], None]] = {
    "nothing": lambda record: None,
    "a loss": moved(-0.1),
    "a gain": moved(0.02),
    "a trifle": moved(-0.001),
    # its message is not kept
    "a failure": lambda record: fail(record, "failed", "") if record["seed"] == 3 else None,
    "a divergence": lambda record: fail(record, "diverged") if record["seed"] == 3 else None,
    "memory": hungrier,
    "data": lambda record: record["provenance"].update(data_digest="00" * 32),
    "a machine": lambda record: record["provenance"].update(cpu="Another 1"),
}


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("first", ["unchanged", "changed"])
def test_an_entry_leads_to_the_verdicts_of_its_run_folder(
    tmp_path: Path, kind: str, first: str
) -> None:
    one, other = write(tmp_path / "one"), write(tmp_path / "other", CHANGES[kind], day=1)
    baseline, head = (one, other) if first == "unchanged" else (other, one)
    folders = judged(read_side(baseline), read_side(head))
    assert judged(kept(baseline, tmp_path / "a"), read_side(head)) == folders
    assert judged(read_side(baseline), kept(head, tmp_path / "b")) == folders
    assert judged(kept(baseline, tmp_path / "a"), kept(head, tmp_path / "b")) == folders


def test_the_changes_lead_to_every_verdict(tmp_path: Path) -> None:
    """Or the test before would hold of sides that tell nothing."""
    one = write(tmp_path / "one")
    found = {
        kind: judged(kept(one, tmp_path / "kept"), read_side(write(tmp_path / kind, change)))
        for kind, change in CHANGES.items()
    }
    assert {kind: groups["maml"].worst for kind, groups in found.items()} == {
        "nothing": "identical",
        "a loss": "regressed",
        "a gain": "improved",
        "a trifle": "fine",
        "a failure": "regressed",
        "a divergence": "regressed",
        "memory": "regressed",
        "data": "refused",
        "a machine": "identical",
    }
    assert found["memory"]["maml"].verdict == "fine"


@pytest.mark.parametrize("array", ["result/query_ids", "result/truth"])
def test_other_test_episodes_under_the_same_seeds_are_refused(tmp_path: Path, array: str) -> None:
    one, other = write(tmp_path / "one"), write(tmp_path / "other", moved(0.001))
    for folder, last in ((one, 3), (other, 4)):
        for path in folder.glob("records/maml-*.npz"):
            np.savez_compressed(path, **{array: np.array([1, 2, last])})
    found = judged(kept(one, tmp_path / "kept"), read_side(other))["maml"]
    assert found.verdict == "refused"
    assert "was tested on other episodes, seed 0" in found.notes[0]


def test_one_other_bit_in_an_array_is_not_identical(tmp_path: Path) -> None:
    one, other = write(tmp_path / "one"), write(tmp_path / "other")
    path = min(other.glob("records/maml-*-s1-*.npz"))
    scores = np.load(path)["result/scores"]
    scores[7] = np.nextafter(scores[7], 1)
    np.savez_compressed(path, **{"result/scores": scores})
    found = judged(kept(one, tmp_path / "kept"), read_side(other))
    assert {name: group.verdict for name, group in found.items()} == {
        "maml": "fine",
        "protonet": "identical",
    }


def edit_cells(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change cells.json, which has no digest in schema 1."""
    path = folder / "cells.json"
    described = json.loads(path.read_text())
    change(described)
    path.write_text(json.dumps(described))


def test_another_recipe_is_refused_for_the_entry_does_not_tell_what_differs(tmp_path: Path) -> None:
    one, other = write(tmp_path / "one"), write(tmp_path / "other")

    def renamed(described: dict[str, Any]) -> None:
        for entry in described["cells"]:
            if entry["labels"]["algorithm"] == "maml":
                path = other / "records" / f"{entry['stem']}.json"
                entry["cell"] = digest(entry["cell"])
                entry["stem"] = f"maml-{entry['seed']}-{entry['cell'][:12]}"
                record = json.loads(path.read_text()) | {"cell": entry["cell"]}
                (other / "records" / f"{entry['stem']}.json").write_text(json.dumps(record))
                path.with_suffix(".npz").rename(other / "records" / f"{entry['stem']}.npz")

    edit_cells(other, renamed)
    found = judged(kept(one, tmp_path / "kept"), read_side(other))
    assert found["maml"].verdict == "refused"
    assert "the ids of the cells differ" in found["maml"].notes[0]
    assert found["protonet"].verdict == "identical"
    assert judged(read_side(one), read_side(other))["maml"].verdict == "identical"


@pytest.mark.parametrize("why", ["seeds", "root seed"])
def test_without_episodes_in_common_nothing_is_compared_with_an_entry(
    tmp_path: Path, why: str
) -> None:
    one = write(tmp_path / "one")
    other = write(tmp_path / "other", seeds=range(5, 10) if why == "seeds" else range(5))
    if why == "root seed":
        edit_cells(other, lambda described: described.update(root_seed=7))
    for group in judged(kept(one, tmp_path / "kept"), read_side(other)).values():
        assert group.verdict == "refused"
        assert "no test episodes in common" in group.notes[0]
    assert judged(read_side(one), read_side(other))["maml"].verdict != "refused"


def older(told: dict[str, Any]) -> None:
    """A line from before it was kept what a comparison needs."""
    del told["margins"]
    for group in told["groups"]:
        del group["data"]
        for seed in group["seeds"]:
            del seed["bits"], seed["episodes"], seed["peaks"]


def test_an_older_line_is_compared_by_scores_and_what_is_not_known_is_said(tmp_path: Path) -> None:
    one, other = write(tmp_path / "one"), write(tmp_path / "other", hungrier)
    found = compare(kept(one, tmp_path / "kept", older), read_side(other), MarginPair())
    for group in found.groups:
        assert group.verdict == group.worst == "fine"
        assert any("the content of data and test episodes" in note for note in group.notes)
        assert any("memory is not compared: the entry" in note for note in group.notes)
    assert any("margins are not those of the baseline's suite" in note for note in found.notes)


def test_memory_on_machines_that_differed_within_the_entry_is_not_compared(tmp_path: Path) -> None:
    def elsewhere(record: Record) -> None:
        if record["seed"] == 2:
            record["provenance"]["cpu"] = "Another 1"

    one, other = write(tmp_path / "one", elsewhere), write(tmp_path / "other", hungrier)
    found = judged(kept(one, tmp_path / "kept"), read_side(other))["maml"]
    assert found.memory is None
    assert any("the machines, or how they were used, differ" in note for note in found.notes)


def test_the_margins_are_those_that_the_baseline_s_suite_said(tmp_path: Path) -> None:
    one = write(tmp_path / "one")
    with (one / "suite.toml").open("a") as file:
        file.write("[compare]\nmargin = 0.2\n")
    assert kept(one, tmp_path / "kept").margins == read_side(one).margins == {"margin": 0.2}


@pytest.mark.parametrize("margin", [5, -1, "much", None, {}])
def test_margins_that_are_none_are_no_margins(tmp_path: Path, margin: Any) -> None:
    def change(told: dict[str, Any]) -> None:
        told["margins"] = {"margin": margin}

    run = write(tmp_path / "one")
    if margin is None:
        assert kept(run, tmp_path / "kept", change).margins == {}
    else:
        with pytest.raises(FolderError, match=r"margins.* is not as it should be"):
            kept(run, tmp_path / "kept", change)


# --- which entry ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs at two commits, a second one at the first of them, and one without a commit. Do not
    write to it."""
    root = tmp_path_factory.mktemp("root")
    said = {"algorithms": ("maml",), "seeds": (0, 1)}
    for number, (day, commit) in enumerate(((0, ""), (2, COMMITS[0]), (1, ""), (3, None))):
        entry = entry_of(load(run_at(root / str(number), day, commit=commit, **said)))
        assert entry is not None
        append(root / "history", entry)
    return root / "history" / f"{SUITE}.jsonl"


def ids(history: Path) -> list[str]:
    """Ids of the entries, in the order of their lines."""
    return [json.loads(line)["id"] for line in history.read_text().splitlines()]


def test_without_more_the_latest_run_is_meant(history: Path) -> None:
    side = named(str(history))
    assert side.name == f"{history}@{ids(history)[3][:12]}"
    assert side.commits == []


def test_a_commit_or_an_id_may_be_said_by_its_beginning(history: Path) -> None:
    assert named(f"{history}@bb").name == f"{history}@{COMMITS[1][:12]}"
    assert named(f"{history}@{COMMITS[1]}").commits == [COMMITS[1][:12]]
    for one in ids(history):
        side = named(f"{history}@{one[:12]}")
        assert side.entry is not None
        assert side.entry.id == one
        # what it is called is what it can be asked for by
        assert named(side.name) == side


@pytest.mark.parametrize(
    ("which", "said"),
    [
        (COMMITS[0], "2 runs are called so: "),
        ("", "no commit and no id of a run in it begins so; the latest are "),
        ("nowhere", "no commit and no id of a run in it begins so; the latest are "),
        ("B" * 12, "(did you mean"),
        ("\x1b[2J\n", "no commit and no id"),
    ],
)
def test_what_names_no_one_entry_is_told_with_those_that_there_are(
    history: Path, which: str, said: str
) -> None:
    which = COMMITS[1][:10] + "00" if said == "(did you mean" else which
    with pytest.raises(FolderError) as told:
        named(f"{history}@{which}")
    assert said in str(told.value)
    assert "2026-05-0" in str(told.value)
    assert "\x1b" not in str(told.value)
    assert len(str(told.value).splitlines()) == 1


def test_lines_that_are_passed_over_are_told_beside_the_one_that_is_used(tmp_path: Path) -> None:
    run = write(tmp_path / "run")
    side = kept(run, tmp_path / "kept")
    path = tmp_path / "kept" / f"{SUITE}.jsonl"
    good = path.read_text()
    path.write_text("<<<<<<<\n" + good + good.replace('"schema":1', '"schema":9') + good[:-200])
    again = named(str(path))
    assert again.groups == side.groups
    assert len(again.remarks) == 2
    assert "line 1: it is no JSON" in again.remarks[0]
    assert again.remarks[1] == "2 more lines are passed over"


@pytest.mark.parametrize("name", ["reports/ci", "ci", "x.jsonl.gz", "x@abc", "jsonl"])
def test_other_names_are_those_of_runs(name: str) -> None:
    assert as_line(name) is None
