"""Rendering a large run: 500 cells into one page."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from synthetic_run import Synthetic

from metabench.report import render


@pytest.fixture(scope="module")
def run_of_500_cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    suite = Synthetic(
        algorithms=["maml", "fomaml", "protonet", "scratch", *(f"method_{i}" for i in range(6))],
        shots=(1, 5),
        axes={"train.iterations": [10, 20, 30, 40, 50]},
        figures=True,
    )
    return suite.write(tmp_path_factory.mktemp("large") / "run")


def test_a_report_of_500_cells(
    benchmark: BenchmarkFixture, pace: Callable[[str, str, str], None], run_of_500_cells: Path
) -> None:
    page = benchmark.pedantic(render, args=(run_of_500_cells,), rounds=1)
    size = page.stat().st_size
    assert size < 5_000_000
    seconds = f"{benchmark.stats.stats.median:.0f} s, {size / 1e6:.1f} MB"
    pace("report of 500 cells", seconds, "under 30 s, 5 MB")
