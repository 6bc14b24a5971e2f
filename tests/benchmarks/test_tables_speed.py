"""Reading a large run: 10,000 records into tables within 10 s."""

import pytest
from synthetic_run import Synthetic

from metabench.tables import load


@pytest.fixture(scope="module")
def large_run(tmp_path_factory):
    algorithms = [f"algorithm{i}" for i in range(20)]
    suite = Synthetic(algorithms=algorithms, shots=range(1, 51), seeds=range(10), reference="algorithm0", arrays=False)
    return suite.write(tmp_path_factory.mktemp("large") / "run")


def test_ten_thousand_records(benchmark, large_run):
    run = benchmark.pedantic(load, args=(large_run,), rounds=3)
    assert len(run.cells) == 10_000
    assert benchmark.stats.stats.max < 10
