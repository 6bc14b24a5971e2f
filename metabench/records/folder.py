"""What a run folder is made of. It may have come from anywhere: no link in it is followed, for
reading or for writing."""

from __future__ import annotations

from pathlib import Path

from metabench.errors import FolderError

RECORDS, WEIGHTS, CHECKPOINTS, TABLES = "records", "weights", "checkpoints", "tables"
"""Folders of a run: of its records, of the weights of finished fits, of fits under way, and of the
tables beside the report."""

TIMING = "timing.json"
FILES = ("cells.json", "suite.toml", "index.html", TIMING, ".run.json", ".lock")


def refuse_links(folder: Path) -> None:
    """See that nothing that a run keeps in `folder` leads elsewhere. The folder itself may be a
    link: that is its owner's business.

    Raises
    ------
    FolderError
        A file or folder of the run is a symbolic link.
    """
    for name in (RECORDS, WEIGHTS, CHECKPOINTS, TABLES, *FILES):
        if (folder / name).is_symlink():
            raise FolderError(
                f"{folder / name}: is a symbolic link, and in a run folder none is followed. Put "
                "what it points to in its place, or delete it"
            )
