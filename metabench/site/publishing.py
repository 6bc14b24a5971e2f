"""From run folders to a site.

Pages are written in an order in which no link ever leads nowhere: what is new first, what leads
there next, the index last. One that is interrupted leaves the site that was, and the next goes on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from markupsafe import Markup

from metabench import history
from metabench.errors import FolderError, MetabenchError, UnwritableError, some
from metabench.history import Entry
from metabench.records import FINISHED, TABLES
from metabench.report import page
from metabench.report.blocks import blocks_of
from metabench.report.claims import claims_of, tally
from metabench.report.headline import headline
from metabench.site import pages
from metabench.site.contents import Card, Contents, read_contents
from metabench.site.target import MANIFEST, Target
from metabench.site.trend import csv_of
from metabench.suite.value_types import is_name
from metabench.tables import Run, load
from metabench.text import one_line


@dataclass
class Published:
    """What came of it.

    Attributes
    ----------
    index
        The site's first page.
    suites
        Suites with a run that was published.
    added
        Runs that the history did not have.
    remarks
        What to know: runs that are not over, lines of the history that were passed over.
    problems
        Folders that could not be published, with why.
    """

    index: Path
    suites: list[str] = field(default_factory=list)
    added: int = 0
    remarks: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Read:
    """A run folder, read: its tables, and its entry, None where it is not over."""

    run: Run
    entry: Entry | None

    @property
    def suite(self) -> str:
        return str(self.run.info.get("suite"))


def publish(folders: Iterable[Path], site: Path, kept: Path) -> Published:
    """Publish run folders.

    Parameters
    ----------
    site
        Folder of the site: new, empty, or one that was published to before.
    kept
        Folder of the history, to which each run that is over is added.

    Raises
    ------
    FolderError
        The site or the history cannot be written, or `site` holds what is no site; or none of the
        folders could be read.
    """
    target = Target(site)
    contents = read_contents(target)
    _refuse_no_folder(kept)
    published = Published(site / "index.html")
    for folder in folders:
        try:
            read = _read(folder, published.remarks)
            _refuse_clash(read.suite, contents)
        except MetabenchError as error:
            published.problems.append(str(error))
            continue
        published.problems += _damaged(folder, read.run)
        target.make()
        write, contents = _prepared(read, contents, target)
        if read.entry is not None:
            published.added += _added(kept, read.entry)
        write()
        published.suites.append(read.suite)
    if not published.suites:
        raise FolderError("\n".join(["nothing could be published", *published.problems]))
    published.suites = sorted({*published.suites})
    _write_overview(contents, published, target, kept)
    return published


def _refuse_no_folder(kept: Path) -> None:
    if os.path.lexists(kept) and not kept.is_dir():
        raise FolderError(
            f"{one_line(kept)}: is no folder; --history names the folder of the history, in which "
            "each suite has a file"
        )


def _read(folder: Path, remarks: list[str]) -> _Read:
    run = load(folder)
    suite = str(run.info.get("suite") or "")
    if not is_name(suite):
        raise FolderError(f"{folder}: its suite is called {suite[:80]!r}, which can name no folder")
    try:
        entry = history.entry_of(run)
    except FolderError as error:
        raise FolderError(f"{folder}: {error}") from None
    if entry is None:
        remarks.append(
            f"{folder}: cells are missing: published as unfinished, without a permanent page and "
            "without a place in the history"
        )
        return _Read(run, None)
    try:
        entry = history.read_verdicts(folder, entry)
    except FolderError as error:
        remarks.append(f"{error}; no verdict is shown")
    return _Read(run, entry)


def _damaged(folder: Path, run: Run) -> list[str]:
    """Say which records cannot be read: what is published lacks them."""
    told = [cell.error_message or cell.stem for cell in run.rows.cells if cell.outcome == "damaged"]
    return [f"{folder}: {some(told, 3)}"] if told else []


def _refuse_clash(suite: str, contents: Contents) -> None:
    for other in contents.suites:
        if other != suite and other.casefold() == suite.casefold():
            raise FolderError(
                f"suite '{suite}' and suite '{other}' of the site differ in case alone, and would "
                "be one folder on some systems. Publish one of them to another site"
            )


def _added(kept: Path, entry: Entry) -> bool:
    try:
        return history.append(kept, entry)
    except UnwritableError as error:
        raise FolderError(str(error)) from error


def _prepared(
    read: _Read, contents: Contents, target: Target
) -> tuple[Callable[[], None], Contents]:
    """Render the permanent pages of a run, and its suite's latest where it is that; return what
    writes them. A page that cannot be rendered leaves no run in the history that no page shows."""
    card = _card(read, contents)
    contents = contents.with_run(read.suite, card)
    top = f"suites/{read.suite}"
    permanent = pages.trail(card, permanent=True)
    text = page(read.run, permanent)
    is_latest = contents.suites[read.suite].latest is card

    def write() -> None:
        if card.folder:
            _write_tables(read.run, f"{top}/{card.folder}", target)
            target.write(f"{top}/{card.folder}/index.html", text)
        if is_latest:
            _write_tables(read.run, top, target)
            latest = pages.trail(card, permanent=False)
            target.write(f"{top}/index.html", text.replace(permanent, latest, 1))

    return write, contents


def _write_tables(run: Run, folder: str, target: Target) -> None:
    target.inside(f"{folder}/{TABLES}")
    replace(run, folder=target.folder / folder).write_csv()


def _card(read: _Read, contents: Contents) -> Card:
    run, entry = read.run, read.entry
    blocks = blocks_of(run)
    outcomes = [cell.outcome for cell in run.rows.cells]
    claims = claims_of(run, blocks)
    compared = entry is not None and bool(entry.verdicts)
    return Card(
        title=str(run.info.get("title") or read.suite),
        question=str(run.info.get("description") or ""),
        answer=tuple(headline(blocks, run.info["reference"])),
        ended=entry.ended if entry else history.last_end(run),
        cells=len(outcomes),
        finished=sum(outcome in FINISHED for outcome in outcomes),
        completed=outcomes.count("completed"),
        id=entry.id if entry else None,
        folder=contents.folder_for(entry) if entry else None,
        commit=entry.commit if entry else None,
        dirty=entry.dirty if entry else False,
        claims=tally(claims) if claims else "",
        regressed=[*entry.verdicts.values()].count("regressed") if entry and compared else None,
    )


def _write_overview(contents: Contents, published: Published, target: Target, kept: Path) -> None:
    """Write what leads to the runs: trends, then the list, then the index."""
    sparks: dict[str, Markup] = {}
    for suite, cards in contents.suites.items():
        told = history.read_history(kept, suite)
        published.remarks += told.remarks
        sparks[suite] = pages.spark(told.entries)
        if told.entries and suite in published.suites:
            top = f"suites/{suite}/trend"
            target.write(f"{top}/history.csv", csv_of(told.entries))
            target.write(f"{top}/index.html", pages.trend(suite, cards, told.entries))
    target.write("feed.xml", pages.feed(contents))
    target.write(MANIFEST, contents.as_json())
    target.write("index.html", pages.index(contents, sparks))


__all__ = ["Published", "publish"]
