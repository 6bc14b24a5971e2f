"""Omniglot on disk: torchvision's folder layout, its download, and the decoding of the drawings.

<data folder>/omniglot-py/images_background/<Alphabet>/<characterNN>/*.png
<data folder>/omniglot-py/images_evaluation/<Alphabet>/<characterNN>/*.png
"""

from __future__ import annotations

import os
import socket
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from metabench.errors import DataError
from metabench.identity import digest
from metabench.tasks.cache import Decoded
from metabench.tasks.images import content_digest

FOLDER = "omniglot-py"
PARTS = {"images_background": 964, "images_evaluation": 659}
"""The two parts of the data set and how many characters each has; every character has 20 drawings."""

DECODING = 1
"""Raised when the same files come to be decoded to other images."""

NETWORK_SECONDS = 30.0

Drawings = dict[str, list[Path]]
"""The drawings of each class (``Alphabet/character``), both sorted by name."""


def find_drawings(root: Path) -> Drawings:
    """List the classes and drawings of whichever parts are under the data folder `root`, sorted by name.

    Raises
    ------
    DataError : a character without drawings, or one that is in both parts.
    """
    drawings: Drawings = {}
    for part in PARTS:
        for character in _characters(root / FOLDER / part):
            name = f"{character.parent.name}/{character.name}"
            if name in drawings:
                raise DataError(f"{character}: this character is in both parts, {' and '.join(PARTS)}; remove one of the two")
            drawings[name] = sorted(path for path in _visible(character) if path.suffix.lower() == ".png")
            if not drawings[name]:
                raise DataError(f"{character}: a character's folder without a PNG file in it")
    return dict(sorted(drawings.items()))


def cache_key(drawings: Drawings, image_size: int) -> str:
    """Return a digest over the names, sizes and times of all files, and over how they are decoded."""
    files = [(name, path.name, stat.st_size, stat.st_mtime_ns) for name, paths in drawings.items() for path in paths for stat in (path.stat(),)]
    return digest({"decoding": DECODING, "image_size": image_size, "files": files})


def decode(drawings: Drawings, image_size: int) -> Decoded:
    """Read all drawings as ``[n, image_size, image_size, 1]`` uint8, ink 255 on 0.

    Raises
    ------
    DataError : a file cannot be read as an image; names it.
    """
    images = np.stack([_drawing(path, image_size) for paths in drawings.values() for path in paths])[..., None]
    labels = np.repeat(np.arange(len(drawings)), [len(paths) for paths in drawings.values()])
    ids = [f"{name}/{path.stem}" for name, paths in drawings.items() for path in paths]
    return Decoded(images, labels, list(drawings), ids, content_digest(images, labels, list(drawings)))


def obtain_missing(root: Path) -> list[str]:
    """Unpack or download each part that is not under `root`; return, for each that could not be had, the reason.

    A part that is there, whole or not, is the user's and is left alone. A new one is made in a temporary folder and moved into place whole.
    """
    reasons = []
    for part in PARTS:
        if _characters(root / FOLDER / part):
            continue
        try:
            _obtain(root / FOLDER, part)
        except (OSError, RuntimeError, ImportError, zipfile.BadZipFile) as error:
            reasons.append(f"{part} could not be had: {error}")
    return reasons


def _obtain(folder: Path, part: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / f"{part}.zip"
    with TemporaryDirectory(dir=folder, prefix=f".{part}-") as temporary:
        if archive.is_file():
            try:
                with zipfile.ZipFile(archive) as content:
                    content.extractall(Path(temporary) / FOLDER)
            except zipfile.BadZipFile as error:
                raise zipfile.BadZipFile(f"{archive}: {error}") from error
        else:
            from torchvision.datasets import Omniglot  # a second's import, for this alone

            with _network_timeout(NETWORK_SECONDS):
                Omniglot(temporary, background=part == "images_background", download=True)
        (Path(temporary) / FOLDER / part).replace(folder / part)


@contextmanager
def _network_timeout(seconds: float) -> Iterator[None]:
    """Bound each wait for the network: torchvision sets no limit, and a silent firewall would hold a download for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _drawing(path: Path, image_size: int) -> np.ndarray:
    try:
        with Image.open(path) as image:
            resized = image.convert("L").resize((image_size, image_size), Image.Resampling.LANCZOS)
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be read as an image ({error}); put the original file back in its place") from error
    return 255 - np.asarray(resized)


def _characters(part: Path) -> Sequence[Path]:
    if not part.is_dir():
        return []
    return [character for alphabet in _visible(part) if alphabet.is_dir() for character in _visible(alphabet) if character.is_dir()]


def _visible(folder: Path) -> list[Path]:
    return [Path(entry.path) for entry in os.scandir(folder) if not entry.name.startswith(".")]
