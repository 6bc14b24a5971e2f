"""Times of two checkouts in turn, by a script of what each pass measures."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from two_sides import side

from metabench.compare import Timing, measure, page_of_timing, written
from metabench.compare.checkouts import Checkout
from metabench.compare.sides import Side, SideGroup
from metabench.errors import ConfigError
from metabench.quantities import BY_NAME, PEAK_ABOVE

ITERATION, EPISODE = BY_NAME["seconds_per_iteration"], BY_NAME["seconds_per_episode"]
MIB = 2.0**20


@dataclass
class Scripted:
    """A workload of which each pass takes as long as `seconds` says, by checkout and the number of
    the pass."""

    seconds: Callable[[str, int], float]
    quantity: str = ITERATION.name
    peak: Callable[[str], float] = lambda name: 100 * MIB
    outcomes: dict[str, str] = field(default_factory=dict)
    passes: list[str] = field(default_factory=list)
    arguments: tuple[str, ...] = ("ci",)
    data: Path = Path("data")

    def once(self, checkout: Checkout) -> Side:
        name = checkout.said
        self.passes.append(name)
        made = side({"maml": [self.outcomes.get(name, 0.5)]})
        numbers = {
            self.quantity: self.seconds(name, len(self.passes)),
            PEAK_ABOVE.name: self.peak(name),
        }
        return replace(
            made,
            groups={
                key: SideGroup(
                    group.place,
                    group.metric,
                    {
                        seed: replace(
                            cell, row=replace(cell.row, numbers={**cell.row.numbers, **numbers})
                        )
                        for seed, cell in group.cells.items()
                    },
                )
                for key, group in made.groups.items()
            },
        )


def checkout(name: str, folder: Path = Path()) -> Checkout:
    return Checkout(name, folder, None, ())


def timed(workload: Any, blocks: int = 8) -> Timing:
    return measure(
        checkout("a"),
        checkout("b"),
        workload,
        blocks=blocks,
        margin=1.10,
        tell=lambda line: None,
    )


def noisy(ratio: float, drift: float = 0.0) -> Callable[[str, int], float]:
    """Times of one checkout that are `ratio` of the other's, with noise of 4 % and a machine that
    becomes slower with every pass."""
    rng = np.random.default_rng(0)
    return lambda name, number: (
        0.01
        * (ratio if name == "b" else 1.0)
        * (1 + drift) ** number
        * float(np.exp(0.04 * rng.normal()))
    )


def test_passes_stand_in_the_order_a_b_b_a_after_one_of_each_that_does_not_count() -> None:
    workload = Scripted(lambda name, number: 1000.0 if number <= 2 else 0.01)
    found = timed(workload, blocks=4)
    assert "".join(workload.passes) == "ab" + "abba" * 4
    assert found.groups[0].seconds == pytest.approx((0.01, 0.01))


@pytest.mark.parametrize(
    ("ratio", "verdict"), [(1.3, "regressed"), (1.0, "fine"), (1 / 1.3, "improved")]
)
def test_a_machine_that_drifts_hides_nothing(ratio: float, verdict: str) -> None:
    """Three per cent a pass: over a run it becomes several times as slow."""
    (group,) = timed(Scripted(noisy(ratio, drift=0.03))).groups
    assert group.verdict == group.worst == verdict
    assert group.time is not None
    assert group.time.estimate == pytest.approx(ratio, rel=0.05)
    assert group.what is ITERATION


def test_few_blocks_decide_nothing() -> None:
    (group,) = timed(Scripted(noisy(2.0)), blocks=2).groups
    assert group.verdict == "inconclusive"
    assert any("8 or more are needed" in note for note in group.notes)


def test_a_method_that_trains_nothing_is_timed_by_its_test_episodes() -> None:
    (group,) = timed(Scripted(noisy(1.5), quantity=EPISODE.name)).groups
    assert (group.verdict, group.what) == ("regressed", EPISODE)


def test_memory_is_held_to_its_own_rule() -> None:
    peak = {"a": 100 * MIB, "b": 140 * MIB}
    (group,) = timed(Scripted(noisy(1.0), peak=peak.__getitem__)).groups
    assert (group.verdict, group.worst) == ("fine", "regressed")
    assert group.bytes_ == (peak["a"], peak["b"])


def test_what_does_not_complete_is_not_timed_and_said() -> None:
    workload = Scripted(noisy(1.0), outcomes={"b": "failed"})
    with pytest.raises(ConfigError, match="in common"):
        timed(workload)


def test_other_requirements_are_told(tmp_path: Path) -> None:
    for name, version in (("a", 1), ("b", 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "requirements.lock").write_text(f"torch=={version}\n")
    found = measure(
        checkout("a", tmp_path / "a"),
        checkout("b", tmp_path / "b"),
        Scripted(noisy(1.0)),  # type: ignore[arg-type]
        blocks=1,
        margin=1.1,
        tell=lambda line: None,
    )
    assert any("requirements.lock differs" in note for note in found.notes)


def test_it_is_written_in_every_format() -> None:
    found = timed(Scripted(noisy(1.3)))
    page = page_of_timing(found)
    assert page.summary == "1 regressed"
    (row,) = page.tables[0].rows
    assert row.numbers[0] == "iteration"
    assert row.numbers[3].startswith("×1.3") or row.numbers[3].startswith("×1.2")
    told = json.loads(written(found, "json", 1))
    assert (told["schema"], told["kind"], told["blocks"]) == (1, "ab", 8)
    assert told["groups"][0]["quantity"] == "seconds_per_iteration"
    assert all("×1." in written(found, form, 1) for form in ("text", "markdown", "html"))
