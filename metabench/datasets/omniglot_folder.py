"""Omniglot on disk: torchvision's folder layout, and the decoding of the drawings.

<data folder>/omniglot-py/images_background/<Alphabet>/<characterNN>/*.png
<data folder>/omniglot-py/images_evaluation/<Alphabet>/<characterNN>/*.png
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from metabench.datasets.cache import Decoded
from metabench.datasets.image_files import read_image
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
    lines = [
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
    lines += [some(broken)] if broken else []
    if (each := len(next(iter(drawings.values())))) != DRAWINGS:  # all have the same
        lines.append(f"every character has {each} drawings, where Omniglot has {DRAWINGS}")
    return lines


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
        with _naming(paths[0].parent):
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


def _drawing(path: Path, image_size: int) -> NDArray[np.uint8]:
    drawing = read_image(path, ("PNG",), "L")
    return 255 - np.asarray(drawing.resize((image_size, image_size), Image.Resampling.LANCZOS))


def _drawings_of(part: Path) -> Iterator[tuple[Path, list[Path]]]:
    """The folder of each character of a part, and the drawings in it."""
    within = Path(os.path.realpath(part))
    for character in characters(part):
        yield (
            character,
            sorted(
                Path(entry.path)
                for entry in _visible(character, within)
                if entry.name.lower().endswith(".png")
            ),
        )


def characters(part: Path) -> list[Path]:
    """The folders of all characters under that of a part."""
    with _naming(part):
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
    with _naming(Path(folder)), os.scandir(folder) as entries:
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
    with _naming(Path(link.path)):
        return Path(os.path.realpath(link, strict=True))


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let what cannot be read be an error about the data that names `path`."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
