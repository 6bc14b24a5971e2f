"""Ratios that a noisy machine cannot blur: two ways of doing one thing in turns, A B A B ..., and a
table of all of them at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from statistics import median

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

Compare = Callable[..., None]
_rows: list[tuple[str, str, str]] = []


@pytest.fixture
def against(benchmark: BenchmarkFixture) -> Compare:
    """``against(name, ours, theirs, rounds=...)`` times both in turns; the ratio is the median over
    pairs."""

    def compare(
        name: str,
        ours: Callable[[], object],
        theirs: Callable[[], object],
        *,
        rounds: int,
        goal: str,
    ) -> None:
        other: list[float] = []

        def their_turn() -> None:
            started = time.perf_counter()
            theirs()
            other.append(time.perf_counter() - started)

        benchmark.pedantic(ours, setup=their_turn, rounds=rounds, warmup_rounds=2)
        own = benchmark.stats.stats.data
        ratio = median(a / b for a, b in zip(own, other[-len(own) :], strict=True))
        benchmark.extra_info.update(ours_over_theirs=ratio, goal=goal)
        _rows.append(
            (
                name,
                f"{median(own) * 1e3:.2f} ms against {median(other[-len(own) :]) * 1e3:.2f} ms: "
                f"{ratio:.3f} ({1 / ratio:.1f} x)",
                goal,
            )
        )

    return compare


@pytest.fixture
def pace(benchmark: BenchmarkFixture) -> Callable[[str, str, str], None]:
    """``pace(name, what was seen, goal)`` adds a line to the table at the end."""

    def note(name: str, seen: str, goal: str) -> None:
        benchmark.extra_info.update(seen=seen, goal=goal)
        _rows.append((name, seen, goal))

    return note


@pytest.fixture(params=[1], ids=lambda n: f"{n} thread")
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """Threads of torch within the test; parametrise indirectly for more."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table: what was measured, and what it should be."""
    if _rows:
        terminalreporter.section("metabench: what is fast, and by how much")
        width = max(len(name) for name, _, _ in _rows)
        for name, seen, goal in _rows:
            terminalreporter.write_line(f"{name:{width}}  {seen}   [goal: {goal}]")
