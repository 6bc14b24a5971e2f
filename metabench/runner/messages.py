"""What passes through the pipe between a run and its fits: plain frozen data that unpickles without
torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metabench.cells import Cell, Fit
from metabench.records import CHECKPOINTS

LINE = 300
"""Characters of a message that are shown where one line is promised."""


@dataclass(frozen=True)
class Job:
    """All that a child process needs to run one fit.

    Attributes
    ----------
    cells
        The cells of the fit that are to be run, with the stems of their records.
    name
        What people read: the algorithm, the dataset, the shape, the seed.
    folder
        The run folder.
    log
        File that takes what the child prints.
    data
        The data folder.
    plugins, root
        The project's plugins and the folder they are found from, which a child must be told.
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
    package
        Where this package lies, which must be where the child finds it.
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
    package: Path = Path(__file__).parents[1]

    @property
    def checkpoint(self) -> Path:
        """Where the training puts itself by."""
        return self.folder / CHECKPOINTS / f"{self.fit.id}.safetensors"

    @property
    def mark(self) -> str:
        """What tells the processes of this fit from those of any other."""
        return f"{self.provenance.get('run')} {self.fit.id}"


@dataclass(frozen=True)
class Started:
    """A fit's process has been started."""


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
class Unwritable:
    """A record could not be written: the run cannot go on."""

    message: str


@dataclass(frozen=True)
class Done:
    """All cells of the fit are written; the process is about to end."""


@dataclass(frozen=True)
class Ended:
    """A fit's process is gone, after `seconds`; `failure` is None where all of its cells were
    written."""

    failure: Failure | None
    seconds: float


Message = Advanced | Wrote | Failure | Unwritable | Done
