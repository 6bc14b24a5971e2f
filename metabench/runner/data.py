"""Resuming only on the data that a run was begun with."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path

from metabench import registry
from metabench.cells import Fit, Part
from metabench.errors import DataError, PluginError, StaleError
from metabench.identity import digest
from metabench.records import data_digests
from metabench.runner.plan import Plan, PlannedCell


def refuse_changed_data(
    plan: Plan, fits: Sequence[tuple[Fit, list[PlannedCell]]], data: Path
) -> None:
    """See that datasets about to be used are those of the results that stay.

    Cells that are not selected now count too: their results stand in the same tables. Only what is
    to be run and has finished records is loaded; data that is missing is the matter of the fits
    that want it.

    Raises
    ------
    StaleError
        The content of a dataset is not what finished records were made on.
    """
    wanted = {
        digest(part.identity())
        for _, cells in fits
        for planned in cells
        for part, _ in _used(planned)
    }
    rerun = {planned.cell.id for _, cells in fits for planned in cells}
    stay = (planned for planned in (*plan.cells, *plan.others) if planned.cell.id not in rerun)
    if changed := changed_data(stay, data, wanted):
        raise StaleError(
            f"{changed}. Put the former data back, or begin another run with --out FOLDER"
        )


def changed_data(
    cells: Iterable[PlannedCell], data: Path, datasets: Container[str] | None = None
) -> str:
    """Say which dataset is not what the records of these cells were made on, or nothing.

    Parameters
    ----------
    datasets
        Look at those alone whose digest of the identity is among these.
    """
    now: dict[str, str | None] = {}
    for part, recorded in (used for planned in cells for used in _used(planned)):
        key = digest(part.identity())
        if recorded is None or (datasets is not None and key not in datasets):
            continue
        if key not in now:
            now[key] = _content(part, data)
        if now[key] not in (None, recorded):
            return (
                f"the data of '{part.name}' in {data} has changed: finished records were made on "
                f"content {recorded[:12]}, "
                f"it is {str(now[key])[:12]} now"
            )
    return ""


def _used(planned: PlannedCell) -> Iterator[tuple[Part, str | None]]:
    """The datasets of a cell, each with the content that its record was made on."""
    trained_on, tested_on = data_digests(planned.record)
    yield planned.cell.fit.dataset, trained_on
    yield planned.cell.evaluate.on or planned.cell.fit.dataset, tested_on


def _content(part: Part, data: Path) -> str | None:
    """Digest of a dataset's content; None where it cannot be had: that is the matter of the fits
    that want it."""
    from metabench.experiment.parts import open_dataset
    from metabench.experiment.returned.datasets import checked_content

    try:
        with registry.blamed("datasets", part.name):
            return checked_content(open_dataset(part, data))
    except (DataError, PluginError):
        return None
