"""`timing.json`: read as it was written, and refused where it is anything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from timed_alone import a_block, timings

from metabench.errors import FolderError
from metabench.records import TIMING, Timings, read_timings, write_timings

ROUND = [("maml", 0.02), ("fomaml", 0.01), ("fomaml", 0.0125), ("maml", 0.025)]


@pytest.fixture
def written(tmp_path: Path) -> Timings:
    told = timings({"maml": {"a": 100}, "fomaml": {"b": None}}, [ROUND, ROUND])
    write_timings(tmp_path, told)
    return told


def test_it_is_read_as_it_was_written(written: Timings, tmp_path: Path) -> None:
    assert read_timings(tmp_path) == written


def test_there_may_be_none(tmp_path: Path) -> None:
    assert read_timings(tmp_path) is None


def test_a_block_is_in_the_middle_of_its_passes() -> None:
    """A machine that slows down evenly, by a quarter from one end to the other, changes no
    ratio."""
    block = a_block(0, ROUND)
    ratio = block.of("maml", "seconds_per_task") / block.of("fomaml", "seconds_per_task")  # type: ignore[operator]
    assert ratio == pytest.approx(2.0)
    assert block.of("reptile", "seconds_per_task") is None


def test_a_setting_keeps_the_fits_of_other_seeds(written: Timings) -> None:
    (setting,) = written.settings
    maml, fomaml = setting.algorithms
    later = replace(setting, algorithms=(replace(maml, fits={"d": 100}), fomaml))
    found = [later.joined(setting).algorithm_of(fit) for fit in ("a", "d")]
    assert [one and one.kind for one in found] == ["maml", "maml"]


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (lambda text: text.replace("0.0125", "0.0126"), "it is not what was written"),
        (lambda text: text[: len(text) // 2], "is damaged"),
        (lambda text: text.replace('"schema": 1', '"schema": 2'), "up to schema 1"),
        (lambda text: "[]", "up to schema 1"),
    ],
)
def test_what_was_changed_is_refused_and_left_alone(
    written: Timings, tmp_path: Path, change: Callable[[str], str], wrong: str
) -> None:
    path = tmp_path / TIMING
    path.write_text(changed := change(path.read_text()))
    with pytest.raises(FolderError, match=wrong):
        read_timings(tmp_path)
    assert path.read_text() == changed


@pytest.mark.parametrize("seconds", [0.0, -1.0, None, "fast"])
def test_a_time_that_is_none_is_refused(written: Timings, tmp_path: Path, seconds: Any) -> None:
    """Though its seal fits."""
    first = written.blocks[0]
    odd = replace(first, passes=[{**first.passes[0], "seconds_per_task": seconds}])
    write_timings(tmp_path, replace(written, blocks=(odd,)))
    with pytest.raises(FolderError, match="seconds_per_task is not as it should be"):
        read_timings(tmp_path)


def test_no_link_is_followed(written: Timings, tmp_path: Path) -> None:
    (tmp_path / TIMING).rename(tmp_path / "elsewhere.json")
    (tmp_path / TIMING).symlink_to("elsewhere.json")
    with pytest.raises(FolderError, match="symbolic link"):
        read_timings(tmp_path)


def test_each_block_is_a_line(written: Timings, tmp_path: Path) -> None:
    """So that people can follow what a sitting adds."""
    lines = (tmp_path / TIMING).read_text().splitlines()
    assert sum('"busy_cores"' in line for line in lines) == len(written.blocks)
    assert json.loads("\n".join(lines))["iterations"] == 60
