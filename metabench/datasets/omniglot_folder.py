"""Omniglot on disk: torchvision's folder layout, its download, and the decoding of the drawings.

<data folder>/omniglot-py/images_background/<Alphabet>/<characterNN>/*.png
<data folder>/omniglot-py/images_evaluation/<Alphabet>/<characterNN>/*.png
"""

from __future__ import annotations

import os
import socket
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from metabench.datasets.archives import Bounds, read_archive
from metabench.datasets.cache import Decoded
from metabench.datasets.image_files import MOST_BYTES, read_image
from metabench.datasets.images import content_digest
from metabench.errors import DataError, some
from metabench.identity import digest

FOLDER = "omniglot-py"
PARTS = {"images_background": 964, "images_evaluation": 659}
"""The two parts of the data set and how many characters each has."""

DRAWINGS = 20
"""Of each character, one by each of 20 people."""

DECODING = 1
"""Raised when the same files come to be decoded to other images."""

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

Drawings = dict[str, list[Path]]
"""The drawings of each class (``Alphabet/character``), both sorted by name."""


def find_drawings(root: Path) -> Drawings:
    """List the classes and drawings of whichever parts are under the data folder `root`, sorted by
    name.

    The data folder, `omniglot-py` and the parts may be links; below a part, links that stay within
    it are followed.

    Raises
    ------
    DataError
        A character without drawings, with more or fewer than others, or in both parts; what cannot
        be read, has an unprintable name, or links out of its part.
    """
    drawings: Drawings = {}
    for part in PARTS:
        for character, paths in _drawings_of(root / FOLDER / part):
            name = f"{character.parent.name}/{character.name}"
            if name in drawings:
                raise DataError(
                    f"{character}: this character is in both parts, {' and '.join(PARTS)}; remove "
                    "one of the two"
                )
            if not paths:
                raise DataError(f"{character}: a character's folder without a PNG file in it")
            drawings[name] = paths
    _refuse_uneven(drawings)
    return dict(sorted(drawings.items()))


def missing(drawings: Drawings, sizes: Mapping[str, int]) -> list[str]:
    """Say what of Omniglot is not there, a line each: characters of a part, of an alphabet,
    drawings; nothing of what is whole.

    Parameters
    ----------
    sizes
        How many characters each alphabet has.
    """
    if not drawings:
        return []
    parts = Counter(paths[0].parents[2].name for paths in drawings.values())
    told = [
        f"{parts[part]:,} of {count:,} characters in {part}"
        for part, count in PARTS.items()
        if parts[part] != count
    ]
    alphabets = Counter(name.split("/")[0] for name in drawings)
    broken = [
        f"{alphabet} has {count} of {sizes[alphabet]} characters"
        for alphabet, count in alphabets.items()
        if count < sizes.get(alphabet, 0)
    ]
    told += [some(broken)] if broken else []
    if (each := len(next(iter(drawings.values())))) != DRAWINGS:  # all have the same
        told.append(f"every character has {each} drawings, where Omniglot has {DRAWINGS}")
    return told


def _refuse_uneven(drawings: Drawings) -> None:
    """Refuse to draw other episodes than everybody else does because a drawing got lost."""
    counts = Counter(len(paths) for paths in drawings.values())
    if len(counts) > 1:
        usual = counts.most_common(1)[0][0]
        other = [
            f"{paths[0].parent} has {len(paths)}"
            for paths in drawings.values()
            if len(paths) != usual
        ]
        raise DataError(
            f"{some(other, 3)} drawings, where most characters have {usual}; put the original "
            "files back, or move those characters away"
        )


def cache_key(drawings: Drawings, image_size: int) -> str:
    """Return a digest over the names, sizes and times of all files, and over how they are decoded.

    Raises
    ------
    DataError
        A file is gone.
    """
    files = []
    for name, paths in drawings.items():
        with _told_when_unreadable(paths[0].parent):
            files += [
                (name, path.name, stat.st_size, stat.st_mtime_ns)
                for path in paths
                for stat in (path.stat(),)
            ]
    return digest({"decoding": DECODING, "image_size": image_size, "files": files})


def decode(drawings: Drawings, image_size: int) -> Decoded:
    """Read all drawings as ``[n, image_size, image_size, 1]`` uint8, ink 255 on 0.

    Raises
    ------
    DataError
        A file cannot be read as an image; names it.
    """
    paths = [path for of_a_class in drawings.values() for path in of_a_class]
    images = np.empty((len(paths), image_size, image_size, 1), np.uint8)
    for image, path in zip(images, paths, strict=True):
        image[..., 0] = _drawing(path, image_size)
    labels = np.repeat(
        np.arange(len(drawings)), [len(of_a_class) for of_a_class in drawings.values()]
    )
    ids = [f"{name}/{path.stem}" for name, of_a_class in drawings.items() for path in of_a_class]
    return Decoded(
        images, labels, list(drawings), ids, content_digest(images, labels, list(drawings))
    )


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
        if _characters(root / FOLDER / part):
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


def _drawing(path: Path, image_size: int) -> NDArray[np.uint8]:
    drawing = read_image(path, ("PNG",), "L")
    return 255 - np.asarray(drawing.resize((image_size, image_size), Image.Resampling.LANCZOS))


def _drawings_of(part: Path) -> Iterator[tuple[Path, list[Path]]]:
    """The folder of each character of a part, and the drawings in it."""
    within = Path(os.path.realpath(part))
    for character in _characters(part):
        yield (
            character,
            sorted(
                Path(entry.path)
                for entry in _visible(character, within)
                if entry.name.lower().endswith(".png")
            ),
        )


def _characters(part: Path) -> list[Path]:
    with _told_when_unreadable(part):
        if not part.is_dir():
            return []
    within = Path(os.path.realpath(part))
    alphabets = [alphabet.path for alphabet in _visible(part, within) if alphabet.is_dir()]
    return [
        Path(character.path)
        for alphabet in alphabets
        for character in _visible(alphabet, within)
        if character.is_dir()
    ]


def _visible(folder: str | Path, within: Path) -> list[os.DirEntry[str]]:
    """What is in a folder and not hidden; refused where a name cannot be shown or a link leads out
    of `within`."""
    with _told_when_unreadable(Path(folder)), os.scandir(folder) as entries:
        found = [entry for entry in entries if not entry.name.startswith(".")]
    for entry in found:
        if not entry.name.isprintable():
            raise DataError(
                f"{folder}: {entry.name!r} in it is a name that cannot be shown; rename or remove "
                "it"
            )
        if entry.is_symlink() and not _target(entry).is_relative_to(within):
            raise DataError(
                f"{entry.path}: is a link out of {within}; put what it leads to in its place, or "
                f"link the whole folder {within.name}"
            )
    return found


def _target(link: os.DirEntry[str]) -> Path:
    with _told_when_unreadable(Path(link.path)):
        return Path(os.path.realpath(link, strict=True))


@contextmanager
def _told_when_unreadable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
