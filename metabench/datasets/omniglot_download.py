"""Omniglot's two archives: downloaded, or taken from the data folder, and unpacked into place."""

from __future__ import annotations

import os
import socket
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory

from metabench.datasets.archives import Bounds, read_archive
from metabench.datasets.image_files import MOST_BYTES
from metabench.datasets.omniglot_folder import FOLDER, PARTS, characters
from metabench.errors import DataError

BOUNDS = Bounds(
    archive_bytes=32 * 2**20, members=100_000, member_bytes=MOST_BYTES, total_bytes=256 * 2**20
)
"""Of each archive; the larger one that is published has 9 MB and 19,280 drawings."""

NETWORK_SECONDS = 30.0

_DOWNLOAD_ERRORS = (
    OSError,
    RuntimeError,
    ImportError,
    ValueError,
    HTTPException,
    zipfile.BadZipFile,
)
"""What torchvision and what it downloads with may raise: no network, an odd proxy, a transfer cut
short, a wrong checksum."""


def obtain_missing(root: Path) -> list[str]:
    """Unpack or download each part that is not under `root`; return, for each that could not be
    had, the reason.

    A part that is there, whole or not, is the user's and is left alone. A new one is made in a
    temporary folder and moved into place whole.

    Raises
    ------
    DataError
        An archive in the folder cannot be used, or something else is in the place of a part. The
        other part is obtained even then.
    """
    reasons = []
    spoilt = False
    for part in PARTS:
        if characters(root / FOLDER / part):
            continue
        try:
            _obtain(root / FOLDER, part)
        except _DOWNLOAD_ERRORS as error:
            reasons.append(f"{part} could not be had: {error}")
        except DataError as error:
            reasons.append(f"{part} could not be had: {error}")
            spoilt = True
    if spoilt:
        raise DataError("\n".join(("dataset 'omniglot':", *reasons)))
    return reasons


def _obtain(folder: Path, part: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    _refuse_taken(folder / part)
    archive = folder / f"{part}.zip"
    with TemporaryDirectory(dir=folder, prefix=f".{part}-") as temporary:
        if os.path.lexists(archive):
            _unpack(archive, part, Path(temporary) / FOLDER)
        else:
            from torchvision.datasets import Omniglot  # a second's import, for this alone

            with _network_timeout(NETWORK_SECONDS):
                Omniglot(temporary, background=part == "images_background", download=True)
        (Path(temporary) / FOLDER / part).replace(folder / part)


def _refuse_taken(place: Path) -> None:
    """Say before anything is downloaded that it could not be moved into place."""
    if os.path.lexists(place) and (
        place.is_symlink() or not place.is_dir() or any(place.iterdir())
    ):
        raise DataError(
            f"{place}: there is something in its place, without a character in it; move that away"
        )


def _unpack(archive: Path, part: str, to: Path) -> None:
    for name, content in read_archive(archive, f"{part}/*/*/*.png", BOUNDS):
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        with (to / name).open("xb") as file:
            file.write(content)


@contextmanager
def _network_timeout(seconds: float) -> Iterator[None]:
    """Bound each wait for the network: torchvision sets no limit, and a silent firewall would hold
    a download for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
