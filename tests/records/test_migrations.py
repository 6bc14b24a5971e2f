"""Records and `cells.json` as earlier versions wrote them: two runs of one suite, kept here."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from metabench.records import SCHEMA, RecordStore, read_cells
from metabench.records.migrations import migrated
from metabench.tables import load

OLD = Path(__file__).parent / "old"
SCHEMAS = (1, 2)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_an_old_record_is_read_as_it_would_be_written_now(schema: int) -> None:
    store = RecordStore(OLD / f"schema{schema}")
    paths = {path.name.partition("-")[0]: path for (path,) in store.index().values()}
    assert paths.keys() == {"maml", "scratch"}
    for name, path in paths.items():
        written, read = json.loads(path.read_text()), store.load(path)
        assert (written["schema"], read["schema"]) == (schema, SCHEMA)
        assert read["result"].keys() == written["result"].keys() - {
            "target",
            "iterations_to_target",
        }
        assert all(read["result"][key] == written["result"][key] for key in read["result"])
        target = read["config"]["fit"]["validate"]["target"]
        assert target == written["result"]["target"] == (7.24 if name == "maml" else None)
        assert read["provenance"]["conditions"]["sources"] == {}
        assert read["measured"] == written["measured"]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_the_tables_of_an_old_run_are_what_they_were(schema: int) -> None:
    folder = OLD / f"schema{schema}"
    written = {
        record["labels"]["algorithm"]: record["result"]
        for path in folder.glob("records/*.json")
        if (record := json.loads(path.read_text()))
    }
    cells = load(folder).cells.set_index("algorithm")
    assert list(cells["outcome"]) == ["completed", "completed"]
    assert (
        cells.loc["maml", "iterations_to_target"] == written["maml"]["iterations_to_target"] == 30
    )
    assert cells.loc["maml", "target"] == written["maml"]["target"] == 7.24
    assert cells["target"].isna()["scratch"]
    for name in written:
        assert cells.loc[name, "score"] == written[name]["score"]


def test_an_old_list_of_cells_is_read_and_a_newer_one_is_not(tmp_path: Path) -> None:
    cells = read_cells(OLD / "schema1")
    assert [entry["labels"]["algorithm"] for entry in cells["cells"]] == ["maml", "scratch"]
    newer = shutil.copy(OLD / "schema1" / "cells.json", tmp_path / "cells.json")
    newer.write_text(newer.read_text().replace('"schema": 1', '"schema": 3'))
    with pytest.raises(Exception, match="can read \\(up to schema 2\\)"):
        read_cells(tmp_path)


@pytest.mark.parametrize("part", ["result", "config", "provenance"])
def test_what_is_no_record_is_left_to_be_found_damaged(part: str) -> None:
    record = {"result": {}, "config": {"fit": {}}, "provenance": {}} | {part: "none"}
    assert migrated(record, 2) == record
