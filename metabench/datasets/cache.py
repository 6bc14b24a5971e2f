"""Decoded images kept on disk: decoding thousands of small files takes seconds, mapping one array
takes none.

An entry is two files, ``<key>.npy`` (the images) and ``<key>.json`` (everything else). Both are
written under another name and renamed, so processes may race: for one key they write the same. What
does not match its own digest, or is not as it is written here, is decoded again.
"""

from __future__ import annotations

import errno
import json
import logging
import math
import os
import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray

from metabench.datasets.class_splits import Splits
from metabench.datasets.dataset import Split
from metabench.datasets.images import ImagePool, content_digest, with_rotations
from metabench.errors import FolderError
from metabench.io.files import open_regular
from metabench.io.untrusted import read_json
from metabench.tasks.sampler import Integers

log = logging.getLogger(__name__)

MOST_DESCRIPTION = 128 * 2**20
"""Bytes of the names and labels of an entry: enough for a million images."""

LONGEST_NAME = 1_024
"""Letters of the name of a class or an image: alphabet, character and drawing, each at most a
file's name."""

_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00(..)\{'descr': '\|u1', 'fortran_order': False, "
    rb"'shape': \((\d+), (\d+), (\d+), (\d+)\), \} *\n",
    re.DOTALL,
)
_LONGEST_HEADER = 256


@dataclass(frozen=True, eq=False)
class Decoded:
    """Images as read from a data folder: ``images`` ``[n, H, W, C]`` uint8, ``labels`` ``[n]``,
    names, and the digest over all but `image_ids`."""

    images: NDArray[np.uint8]
    labels: Integers
    class_names: Sequence[str]
    image_ids: Sequence[str]
    digest: str

    def pool(self, splits: Splits, rotated: Sequence[Split]) -> ImagePool:
        """The same images with their classes in splits, those of the `rotated` ones turned too."""
        images = torch.from_numpy(self.images)
        names, ids = self.class_names, self.image_ids
        pool = ImagePool(images, self.labels, names, ids, splits, self.digest)
        return with_rotations(pool, rotated)


def cache_folder() -> Path:
    """Return METABENCH_CACHE, or `metabench` in the user's cache folder."""
    if named := os.environ.get("METABENCH_CACHE"):
        return Path(named)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "metabench"
    except RuntimeError as error:
        raise FolderError(
            "there is no home folder to keep decoded images in; METABENCH_CACHE names another place"
        ) from error


def load_or_decode(dataset: str, key: str, decode: Callable[[], Decoded]) -> Decoded:
    """Return what is kept under `dataset` and `key`; decode and keep it where nothing is, or where
    that is damaged.

    A cache that cannot be written costs time and nothing else: the images then live in memory.
    """
    stem = cache_folder() / dataset / key
    if (kept := _read(stem)) is not None:
        return kept
    decoded = decode()
    try:
        _write(stem, decoded)
    except OSError as error:
        log.warning("decoded images are not kept: %s (METABENCH_CACHE names another folder)", error)
        return decoded
    return _read(stem) or decoded  # from now on through the map, which processes share


def _read(stem: Path) -> Decoded | None:
    try:
        images = _mapped(stem.with_suffix(".npy"))
        kept = _described(images, read_json(stem.with_suffix(".json"), MOST_DESCRIPTION)[0])
        if content_digest(kept.images, kept.labels, kept.class_names) == kept.digest:
            return kept
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError, MemoryError):
        pass
    log.warning("%s is damaged and made again", stem.with_suffix(".npy"))
    return None


def _mapped(path: Path) -> NDArray[np.uint8]:
    """Map the images of an entry: exactly what `np.save` writes of such images, told by its
    header's bytes; nothing in a file is evaluated."""
    with open_regular(path) as file:
        if (header := _HEADER.match(file.read(_LONGEST_HEADER))) is None or len(
            header[0]
        ) != 10 + int.from_bytes(header[1], "little"):
            raise ValueError("no images, or not as they are kept")
        shape = tuple(int(side) for side in header.groups()[1:])
        if file.seek(0, os.SEEK_END) != len(header[0]) + math.prod(shape):
            raise ValueError("cut short, or more than was kept")
        # Copy-on-write: processes share the pages, the file cannot be changed, and torch takes the
        # array for writable.
        return np.memmap(file, np.uint8, "c", len(header[0]), shape)


def _described(images: NDArray[np.uint8], about: Any) -> Decoded:
    """What is known of the images of an entry, which holds together: the digest speaks of all but
    `image_ids`, and only of what it is given."""
    names, ids, labels = (list[Any](about[key]) for key in ("class_names", "image_ids", "labels"))
    if not all(type(label) is int and 0 <= label < len(names) for label in labels) or not len(
        labels
    ) == len(ids) == len(images):
        raise ValueError("labels of other classes, or of other images")
    if not all(
        isinstance(name, str) and name.isprintable() and len(name) <= LONGEST_NAME
        for name in (*names, *ids)
    ):
        raise ValueError("names that are none")
    return Decoded(images, np.array(labels, dtype=np.int64), names, ids, about["digest"])


def _write(stem: Path, decoded: Decoded) -> None:
    stem.parent.mkdir(parents=True, exist_ok=True)
    about = {
        "digest": decoded.digest,
        "class_names": list(decoded.class_names),
        "labels": decoded.labels.tolist(),
        "image_ids": list(decoded.image_ids),
    }
    description = json.dumps(about).encode()
    if len(description) > MOST_DESCRIPTION:
        raise OSError(
            errno.EFBIG,
            f"their names take {len(description):,} bytes, and may take {MOST_DESCRIPTION:,}",
        )
    _replace(
        stem.with_suffix(".npy"),
        lambda file: np.save(file, np.ascontiguousarray(decoded.images), allow_pickle=False),
    )
    _replace(stem.with_suffix(".json"), lambda file: file.write(description))


def _replace(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    try:
        with temporary.open("xb") as file:
            write(file)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
