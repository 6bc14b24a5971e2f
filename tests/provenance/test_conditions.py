"""Conditions: what they depend on, and what makes a record stale."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from few_shot import make_cell

from metabench.cells import Part
from metabench.provenance import environment
from metabench.provenance.conditions import (
    Conditions,
    conditions,
    counted,
    differences,
    differing_conditions,
)
from metabench.suite.project import load_project


def test_threads_device_and_capability_count(monkeypatch: pytest.MonkeyPatch) -> None:
    base = conditions(1, "cpu")
    assert differences(base, conditions(2, "cpu")) == ["threads 1 -> 2"]
    assert conditions(1, "cuda:0")["device"] == conditions(1, "cuda:1")["device"] == "cuda"
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    environment.cpu_capability.cache_clear()
    try:
        assert conditions(1, "cpu")["cpu_capability"].endswith(" default")
    finally:
        environment.cpu_capability.cache_clear()


def test_scipy_counts_since_intervals_are_its(monkeypatch: pytest.MonkeyPatch) -> None:
    before = conditions(1, "cpu")
    monkeypatch.setattr(
        "metabench.provenance.conditions.version",
        lambda name: "0.1" if name == "scipy" else before.get(name),
    )
    assert differences(before, conditions(1, "cpu")) == [f"scipy {before['scipy']} -> 0.1"]


def test_another_class_behind_a_name_counts() -> None:
    one, other = (conditions(1, "cpu", [f"metabench.methods.maml:{name}"]) for name in "AB")
    assert differences(one, other) == ["parts metabench.methods.maml:A -> metabench.methods.maml:B"]


def test_what_changed_is_named_by_its_file() -> None:
    then = {"sources": {"a.py": "1", "b.py": "2", "c.py": "3"}, "conditions_digest": "x"}
    now = {"sources": {"a.py": "1", "b.py": "9", "d.py": "4"}, "conditions_digest": "y"}
    assert differences(then, now) == ["b.py changed", "c.py no longer used", "d.py newly used"]
    assert differences({**then, "sources": {}}, now) == [
        "sources, of which the record does not tell each"
    ]
    assert differences(then, then) == []
    assert differences({}, {"conditions_digest": "y"}) == ["conditions"]


def test_causes_are_counted() -> None:
    assert counted([["a"], ["b", "a"], []]) == ["a (2 cells)", "b (1 cell)"]


def test_the_dataset_of_the_test_counts_for_the_cell_and_not_for_the_fit(tmp_path: Path) -> None:
    (tmp_path / "waves.py").write_text("a = 1\n")
    (tmp_path / "benchmark.toml").write_text('[plugins.datasets]\nwaves = "waves:Waves"\n')
    load_project(tmp_path)
    try:
        same = make_cell("maml")
        on = dataclasses.replace(same.evaluate, on=Part("waves", 1, {}, {}))
        elsewhere = dataclasses.replace(same, evaluate=on)
        look = Conditions(1, "cpu", tmp_path)
        before = look(same), look(elsewhere)
        assert look.fit(elsewhere.fit) == before[0]
        (tmp_path / "waves.py").write_text("a = 2\n")
        again = Conditions(1, "cpu", tmp_path)
        assert differences(before[0], again(same)) == []
        assert differences(before[1], again(elsewhere)) == ["waves.py changed"]
    finally:
        load_project(tmp_path.parent)


def test_weights_that_were_taken_count_by_the_conditions_of_their_training() -> None:
    def told(digest: str, **more: Any) -> dict[str, Any]:
        return {"conditions_digest": digest, "sources": {"a.py": digest}, **more}

    record = {"provenance": {"conditions": told("now"), "training_conditions": told("then")}}
    assert differing_conditions(record, told("now"), told("now")) == ("a.py changed",)
    assert differing_conditions(record, told("now"), told("then")) == ()
