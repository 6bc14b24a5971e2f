"""What passes between a run and its fits, wherever they run: jobs, and what happens to them. Plain
frozen data that pickles, and unpickles without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metabench.cells import Cell, Fit
from metabench.provenance.compiler import CompileMode
from metabench.records import CHECKPOINTS

LINE = 300
"""Characters of a message that are shown where one line is promised."""


@dataclass(frozen=True)
class Job:
    """All that is needed to run one fit, here or elsewhere: the run folder and the data are found
    under the same paths there.

    Attributes
    ----------
    cells
        The cells of the fit that are to be run, with the stems of their records.
    name
        What people read: the algorithm, the dataset, the shape, the seed.
    folder
        The run folder.
    log
        File for what the fit prints, where its engine can tell that from what others print.
    data
        The data folder.
    plugins, root
        The project's plugins and the folder they are found from.
    provenance
        What of a record's provenance is known before the fit starts.
    workers
        How many fits run at once.
    keep_weights
        Whether the run folder keeps weights, and those that it has are used;
    any_weights
        Also those made under other conditions.
    evaluates
        Whether there are weights, so that nothing is expected to be trained.
    checkpoint_seconds
        Between two checkpoints; 0 for none.
    tests
        Whether the cells are to be run; otherwise the weights alone are wanted, by other fits.
    compile
        Which fits have their training steps compiled.
    needs
        Role -> the id of the fit of the same run, or an earlier one, whose weights play it.
    """

    fit: Fit
    cells: tuple[tuple[Cell, str], ...]
    name: str
    folder: Path
    log: Path
    data: Path
    plugins: Mapping[str, Mapping[str, str]]
    root: Path
    provenance: Mapping[str, Any]
    threads: int
    workers: int
    keep_weights: bool = True
    any_weights: bool = False
    evaluates: bool = False
    checkpoint_seconds: float = 0.0
    tests: bool = True
    compile: CompileMode = "never"
    needs: Mapping[str, str] = field(default_factory=dict)

    @property
    def checkpoint(self) -> Path:
        """Where the training puts itself by."""
        return self.folder / CHECKPOINTS / f"{self.fit.id}.safetensors"

    @property
    def mark(self) -> str:
        """What tells this fit, and what it starts, from any other."""
        return f"{self.provenance.get('run')} {self.fit.id}"


@dataclass(frozen=True)
class Started:
    """A fit has been started."""


@dataclass(frozen=True)
class Placed:
    """A fit tells where it runs: its part of the provenance (see `environment.machine`)."""

    machine: Mapping[str, Any]


@dataclass(frozen=True)
class Advanced:
    """A fit tells where it is; `total` and `loss` are None where there is none."""

    phase: str
    iteration: int
    total: int | None
    loss: float | None


@dataclass(frozen=True)
class Wrote:
    """The record of a cell is safe on disk. `remarks` are what else people should know of it."""

    cell: str
    outcome: str
    score: float | None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failure:
    """Why a fit ended without a result. `outcome` is one of the outcomes of a record that are no
    result."""

    outcome: str
    type: str
    message: str
    traceback: str | None = None

    @property
    def line(self) -> str:
        """The failure in one line, which is never long: all of it stands in the record."""
        first = self.message.strip().partition("\n")[0]
        first = first if len(first) <= LINE else f"{first[:LINE]} ..."
        return f"{self.type}: {first}" if first else self.type


@dataclass(frozen=True)
class Ended:
    """A fit is over, after `seconds`.

    Attributes
    ----------
    failure
        Why it came to nothing; None where all of its cells were written.
    log
        Where what it said lies; None where it said nothing, or where nobody kept it.
    """

    failure: Failure | None
    seconds: float
    log: Path | None = None


Event = Started | Placed | Advanced | Wrote | Ended
"""What a run is told of a fit: `Started` first, `Ended` last."""
