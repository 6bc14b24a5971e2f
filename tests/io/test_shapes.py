"""Run folders from elsewhere: whatever stands in their JSON, they are read, or what is wrong is
told."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_values import ODD_VALUES, places
from synthetic_run import Synthetic

from metabench.errors import FolderError
from metabench.io.shapes import absent, misshapen
from metabench.records import RecordStore
from metabench.records.format import CELLS, RECORD
from metabench.tables import load


@pytest.mark.parametrize(
    ("value", "shape", "wrong"),
    [
        (3, int, ""),
        (True, int, "it"),
        (True, (int, bool), ""),
        (None, str, ""),
        ([1, None, 2.5], [(int, float, type(None))], ""),
        ([1, None], [(int,)], "it"),
        ([1, [2]], [(int,)], "it"),
        ("1", [(int,)], "it"),
        ({"a": {"b": 1}}, {"a": {"b": str}}, "it.a.b"),
        ({"a": {"b": 1}}, {"a": {"*": int}}, ""),
        ({"a": {"b": 1, "c": []}}, {"a": {"*": int}}, "it.a.c"),
        ({"a": 3}, {"a": {}}, "it.a"),
        ({"later": 3}, {"a": int}, ""),
        ([{"a": 1}, {"a": ""}], [{"a": int}], "it[1].a"),
        ([{"a": 1}, None], [{"a": int}], "it"),
        ("a\tb\nc", CELLS["title"], ""),
        ("a\x1b", CELLS["title"], "it"),
    ],
)
def test_what_does_not_fit_is_named(value: Any, shape: Any, wrong: str) -> None:
    assert misshapen(value, shape, "it") == wrong


def test_what_is_absent_is_named() -> None:
    assert absent({"a": 0, "b": None}, ("a", "b", "c")) == "b"
    assert absent({"a": False}, ("a",)) == ""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Synthetic(algorithms=("maml", "scratch"), shots=(1,), seeds=(0, 1), arrays=False).write(
        tmp_path_factory.mktemp("run")
    )


def test_records_and_cells_of_the_runner_fit(run: Path) -> None:
    assert misshapen(json.loads((run / "cells.json").read_text()), CELLS) == ""
    assert [misshapen(record, RECORD) for record in RecordStore(run).scan().records.values()] == [
        ""
    ] * 4


@pytest.mark.slow
@settings(max_examples=150)
@given(data=st.data())
def test_a_folder_gone_wrong_in_one_place_is_read_or_refused(
    run: Path, data: st.DataObject
) -> None:
    """The values of axes and settings are a suite's own: anything may stand there."""
    file = data.draw(st.sampled_from([run / "cells.json", next((run / "records").glob("*.json"))]))
    whole = file.read_text()
    told = copy.deepcopy(json.loads(whole))
    path = data.draw(st.sampled_from([path for path in places(told) if len(path) < 5]))
    inside = told
    for key in path[:-1]:
        inside = inside[key]
    if isinstance(inside, dict) and data.draw(st.booleans()):
        del inside[path[-1]]
    else:
        inside[path[-1]] = data.draw(ODD_VALUES)
    file.write_text(json.dumps(told))
    cells, message = -1, ""
    try:
        cells = len(load(run).cells)
    except FolderError as error:
        message = str(error)
    finally:
        file.write_text(whole)
    if file.name == "cells.json":
        assert message.startswith(str(file)) or cells == len(told["cells"])
    else:
        assert cells == 4
