"""Reading a large run: 10,000 records into tables."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from synthetic_run import Synthetic

from metabench.tables import load


@pytest.fixture(scope="module")
def large_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    algorithms = [f"algorithm{i}" for i in range(20)]
    suite = Synthetic(
        algorithms=algorithms,
        shots=range(1, 51),
        seeds=range(10),
        reference="algorithm0",
        arrays=False,
    )
    return suite.write(tmp_path_factory.mktemp("large") / "run")


def test_ten_thousand_records(
    benchmark: BenchmarkFixture, pace: Callable[[str, str, str], None], large_run: Path
) -> None:
    run = benchmark.pedantic(load, args=(large_run,), rounds=3)
    assert len(run.cells) == 10_000
    pace("10,000 records into tables", f"{benchmark.stats.stats.median:.1f} s", "under 10 s")
