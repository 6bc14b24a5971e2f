"""Fits cut short: run as they would be in earnest, for what they take and not what they score."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from metabench.cells import Cell, Fit
from metabench.runner.following import RunSummary

if TYPE_CHECKING:
    from metabench.runner.resources import Resources
    from metabench.suite import Suite
    from metabench.suite.project import Project


def shortened_fit(fit: Fit, iterations: int, *, every: int, episodes: int) -> Fit:
    """Return a fit, and all that it needs, with so many iterations and none that ends it sooner;
    validated after every so many on no more than so many episodes."""
    train = replace(fit.train, iterations=iterations, tasks=None, seconds=None)
    validate = replace(
        fit.validate, every=every, episodes=min(episodes, fit.validate.episodes), patience=None
    )
    needs = {
        role: shortened_fit(need, iterations, every=every, episodes=episodes)
        for role, need in fit.needs.items()
    }
    return replace(fit, train=train, validate=validate, needs=needs)


@contextmanager
def run_shortened(
    suite: Suite,
    project: Project,
    using: Resources,
    cells: Sequence[Cell],
    needed: Sequence[Cell],
) -> Iterator[RunSummary]:
    """Run these cells in the place of those of a suite, into a folder that is there within the
    block; `needed` are cells of the fits that they need. Nothing else is left, and nothing is
    printed."""
    from metabench.runner.run import run_suite

    cut = replace(
        suite,
        cells=tuple(cells),
        needed=tuple(needed),
        selected=frozenset(cell.id for cell in cells),
        keep_weights=False,
    )
    with tempfile.TemporaryDirectory(prefix="metabench-short-") as folder:
        with contextlib.redirect_stdout(io.StringIO()):
            summary = run_suite(
                cut,
                replace(project, checkpoint_seconds=0.0),
                using=using,
                out=Path(folder) / "run",
            )
        yield summary
