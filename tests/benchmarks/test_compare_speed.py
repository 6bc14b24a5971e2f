"""Setting two large runs side by side."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from synthetic_run import Record, Synthetic

from metabench.compare import Comparison, MarginPair, compare, read_side, written

ALGORITHMS = [f"algorithm{i}" for i in range(20)]
SHOTS, SEEDS = range(1, 11), range(5)


def a_little_worse(record: Record) -> None:
    record["result"]["score"] -= 0.001


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A thousand cells each, of which no two are the same."""
    folder = tmp_path_factory.mktemp("two")
    places = [(name, shots, seed) for name in ALGORITHMS for shots in SHOTS for seed in SEEDS]
    said = {"algorithms": ALGORITHMS, "shots": SHOTS, "seeds": SEEDS, "reference": ALGORITHMS[0]}
    return (
        Synthetic(**said).write(folder / "one"),
        Synthetic(**said, change=dict.fromkeys(places, a_little_worse)).write(folder / "two"),
    )


def test_a_thousand_cells_beside_a_thousand(
    benchmark: BenchmarkFixture,
    pace: Callable[[str, str, str], None],
    two_runs: tuple[Path, Path],
) -> None:
    def both() -> Comparison:
        baseline, head = map(read_side, two_runs)
        found = compare(baseline, head, MarginPair())
        written(found, "html", 0)
        return found

    found = benchmark.pedantic(both, rounds=3)
    assert found.counts == {"fine": 200}
    pace(
        "compare of two runs of 1,000 cells",
        f"{benchmark.stats.stats.median:.1f} s",
        "under 10 s",
    )
