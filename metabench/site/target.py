"""The folder of a site: written file by file, each whole or not at all, through no link; what is
not the site's own is never touched."""

from __future__ import annotations

import os
from pathlib import Path

from metabench.errors import FolderError
from metabench.io.files import make_folder, write_bytes
from metabench.text import one_line

MANIFEST = "data/index.json"
"""What makes a folder that of a site."""


class Target:
    """A folder that a site may be written to.

    Raises
    ------
    FolderError
        It is a file, or holds what is no site.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            # what is hidden, a `.git` or a `.nojekyll`, is its owner's
            others = [one.name for one in folder.iterdir() if not one.name.startswith(".")]
        except FileNotFoundError:
            others = []
        except OSError as error:
            raise FolderError(
                f"{one_line(folder)}: no site can be written there: {error.strerror}"
            ) from None
        if others and not os.path.lexists(folder / MANIFEST):
            raise FolderError(
                f"{one_line(folder)}: holds {one_line(sorted(others)[0])}, and is no site that "
                "metabench has written. Choose a new folder, or an empty one"
            )

    def make(self) -> None:
        """Make the folder, before anything is read or noted elsewhere that it was to show.

        Raises
        ------
        FolderError
            It cannot be made or written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            why = None if os.access(self.folder, os.W_OK | os.X_OK) else "it cannot be written"
        except OSError as error:
            why = error.strerror
        if why:
            raise FolderError(
                f"{one_line(self.folder)}: no site can be written there: {why}. Choose another "
                "folder with --to"
            )

    def write(self, path: str, text: str) -> None:
        """Write a file at a path relative to the site's folder; one that says the same already is
        left alone.

        Raises
        ------
        FolderError
            A link is in the way, or the folder cannot be written.
        """
        place, content = self.inside(path), text.encode()
        make_folder(place.parent)
        if not place.is_file() or place.read_bytes() != content:
            write_bytes(place, content)

    def inside(self, path: str) -> Path:
        """Return where a file or folder of the site lies.

        Raises
        ------
        FolderError
            It, or a folder above it within the site, is a symbolic link.
        """
        place = self.folder
        for part in path.split("/"):
            place = place / part
            if place.is_symlink():
                raise FolderError(
                    f"{one_line(place)}: is a symbolic link, and in a site none is followed. "
                    "Delete it, or choose another folder with --to"
                )
        return place
