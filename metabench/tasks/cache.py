"""Decoded images kept on disk: decoding thousands of small files takes seconds, mapping one array takes none.

An entry is two files, ``<key>.npy`` (the images) and ``<key>.json`` (everything else). Both are written under another name and renamed, so processes
may race: for one key they write the same. What does not match its own digest is decoded again.
"""

from __future__ import annotations

import json
import logging
import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from metabench.errors import FolderError
from metabench.tasks.images import content_digest
from metabench.tasks.sampler import Integers

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Decoded:
    """Images as read from a data folder: ``images`` ``[n, H, W, C]`` uint8, ``labels`` ``[n]``, names, and the digest over all but `image_ids`."""

    images: NDArray[np.uint8]
    labels: Integers
    class_names: Sequence[str]
    image_ids: Sequence[str]
    digest: str


def cache_folder() -> Path:
    """Return METABENCH_CACHE, or `metabench` in the user's cache folder."""
    if named := os.environ.get("METABENCH_CACHE"):
        return Path(named)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "metabench"
    except RuntimeError as error:
        raise FolderError("there is no home folder to keep decoded images in; METABENCH_CACHE names another place") from error


def load_or_decode(dataset: str, key: str, decode: Callable[[], Decoded]) -> Decoded:
    """Return what is kept under `dataset` and `key`; decode and keep it where nothing is, or where that is damaged.

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
        about = json.loads(stem.with_suffix(".json").read_text(encoding="utf-8"))
        # Copy-on-write: processes share the pages, the file cannot be changed, and torch takes the array for writable.
        images = np.load(stem.with_suffix(".npy"), mmap_mode="c", allow_pickle=False)
        labels = np.array(about["labels"], dtype=np.int64)
        kept = Decoded(images, labels, about["class_names"], about["image_ids"], about["digest"])
        if len(kept.image_ids) == len(images) and content_digest(images, labels, kept.class_names) == kept.digest:
            return kept
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        pass
    log.warning("%s is damaged and made again", stem.with_suffix(".npy"))
    return None


def _write(stem: Path, decoded: Decoded) -> None:
    stem.parent.mkdir(parents=True, exist_ok=True)
    about = {
        "digest": decoded.digest,
        "class_names": list(decoded.class_names),
        "labels": decoded.labels.tolist(),
        "image_ids": list(decoded.image_ids),
    }
    _replace(stem.with_suffix(".npy"), lambda file: np.save(file, decoded.images, allow_pickle=False))
    _replace(stem.with_suffix(".json"), lambda file: file.write(json.dumps(about).encode()))


def _replace(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    try:
        with temporary.open("xb") as file:
            write(file)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
