"""The run folder: its lock, the descriptions that lie in it, and who is at work there."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from metabench.errors import FolderError, UnwritableError
from metabench.io.files import write_text
from metabench.records import (
    CHECKPOINTS,
    WEIGHTS,
    RecordStore,
    delete_holder,
    entry_of,
    read_cells,
    read_holder,
    refuse_links,
    write_cells,
    write_holder,
)
from metabench.runner.describe import name_of
from metabench.suite.declaration import digest_of

if TYPE_CHECKING:
    from metabench.runner.plan import Plan
    from metabench.suite import Suite
    from metabench.suite.declaration import Frozen


class RunFolder:
    """`reports/<suite>/`: the records of one suite. One run at a time works there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = RecordStore(path)
        self._since = datetime.now(UTC).isoformat(timespec="seconds")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder, made if need be, against other runs.

        Raises
        ------
        FolderError
            Another run holds it (the message says who), something in it is a link, or it cannot be
            written.
        """
        lock = FileLock(self.path / ".lock", timeout=0)
        try:
            refuse_links(self.path)
            self._refuse_foreign_files()
            self.store.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout:
            raise FolderError(
                f"{self.path}: another run is at work there{self._who()}. Wait for it, or run into "
                "another folder with --out"
            ) from None
        except OSError as error:
            raise FolderError(
                f"{self.path}: cannot be written: {error.strerror or error}. Choose another folder "
                "with --out"
            ) from error
        try:
            self._prepare()
            yield
        finally:
            delete_holder(self.path)
            lock.release()

    def tell_running(self, names: list[str]) -> None:
        """Note which fits run now, for `metabench status` of another terminal."""
        write_holder(self.path, self._since, names)

    def describe(
        self, suite: Suite, declaration: Mapping[str, Any], frozen: Frozen | None = None
    ) -> None:
        """Write `suite.toml` and `cells.json`: with these the folder speaks for itself.

        The declaration is kept as it stood before the first record, beside that of now and that
        which was frozen: what changed in between is post hoc.
        """
        described = {
            "suite": suite.name,
            "title": suite.title,
            "description": suite.description,
            "argument": suite.argument,
            "profile": suite.profile,
            "root_seed": suite.root_seed,
            **declaration,
            "declaration_digest": digest_of(declaration),
            "declared_before_data": self._declared_before_data(declaration),
            "frozen": frozen.facts(declaration) if frozen else None,
        }
        write_cells(self.path, described, (entry_of(cell, name_of(cell)) for cell in suite.cells))
        write_text(self.path / "suite.toml", suite.resolved)

    def sweep_checkpoints(self, plan: Plan, needed: Container[str] = ()) -> None:
        """Delete the checkpoints of fits whose cells are all done and which are not `needed`; those
        of fits that the suite does not have now may be wanted again."""
        cells = (*plan.cells, *plan.others)
        pending = {planned.cell.fit.id for planned in cells if planned.state != "done"}
        for fit in {planned.cell.fit.id for planned in cells} - pending:
            if fit in needed:
                continue
            with suppress(OSError):
                (self.path / CHECKPOINTS / f"{fit}.safetensors").unlink(missing_ok=True)

    def drop_weights(self, fits: Iterable[str]) -> None:
        """Delete the weights of these fits."""
        folder = self.path / WEIGHTS
        for fit in fits:
            with suppress(OSError):
                (folder / f"{fit}.safetensors").unlink(missing_ok=True)
        with suppress(OSError):  # others are in there
            folder.rmdir()

    def refuse_other_suite(self, name: str) -> None:
        """Raise FolderError where the folder holds the run of another suite: their reports would
        hide each other's cells."""
        held = self._described().get("suite", name)
        if held != name:
            raise FolderError(
                f"{self.path}: holds the run of suite '{held}', not of '{name}'. Choose another "
                "folder with --out"
            )

    def _refuse_foreign_files(self) -> None:
        """A run writes its own index.html and suite.toml: into a new or empty folder, or one that a
        run has made."""
        if (
            self.path.is_dir()
            and not self.store.folder.is_dir()
            and any(entry.name != ".lock" for entry in self.path.iterdir())
        ):
            raise FolderError(
                f"{self.path}: has files in it and is no run folder. Choose a new or an empty "
                "folder with --out"
            )

    def _prepare(self) -> None:
        try:
            self.tell_running([])
            self.store.sweep()
        except UnwritableError as error:
            raise FolderError(f"{error}. Choose another folder with --out") from error

    def _declared_before_data(self, declaration: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The declaration as it was when the first record was made; None where nobody knows it any
        more.

        `cells.json` may have been lost or made anew since; then the earliest record tells whether
        that of now is the one.
        """
        if not self.store.index():
            return declaration
        described = self._described()
        if "declared_before_data" in described:
            kept: Mapping[str, Any] | None = described["declared_before_data"]
            return kept
        known = [record["provenance"] for record in self.store.scan().records.values()]
        first: dict[str, Any] = min(
            known, key=lambda provenance: str(provenance.get("started")), default={}
        )
        return declaration if first.get("declaration_digest") == digest_of(declaration) else None

    def _described(self) -> dict[str, Any]:
        return read_cells(self.path) if (self.path / "cells.json").exists() else {}

    def _who(self) -> str:
        holder = read_holder(self.path)
        return (
            f" (process {holder['pid']} on {holder['host']}, since {holder['since']})"
            if holder
            else ""
        )
