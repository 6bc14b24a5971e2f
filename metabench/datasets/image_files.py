"""Image files of strangers: only the formats that a dataset ships are read, within bounds that are
checked before anything is decoded."""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from metabench.errors import DataError
from metabench.io.files import read_regular

MOST_BYTES = 16 * 2**20
"""Size of a file; no drawing or photograph of a few-shot dataset comes near."""

MOST_PIXELS = 4_096
"""Height or width."""


def read_image(
    path: Path,
    formats: tuple[str, ...],
    mode: str,
    *,
    most_pixels: int = MOST_PIXELS,
    most_bytes: int = MOST_BYTES,
) -> Image.Image:
    """Return the image in a file, decoded and converted to `mode`.

    Parameters
    ----------
    path
        A regular file, or a link to one: whoever lists the files sees to where links lead.
    formats
        Pillow's names of the formats that may be in it (``PNG``), whatever the name of the file
        says. No other reader is tried: some start programs (PostScript), and every one is a door.
    mode
        Pillow's name of what is wanted: ``L``, ``RGB``.
    most_pixels
        Of the height, and of the width.

    Raises
    ------
    DataError
        It cannot be read, is of another format, is damaged, or is larger than that; names it.
    """
    try:
        content = read_regular(path, most_bytes, follow=True)
        # of sizes, which are checked here, and of harmless oddities
        with warnings.catch_warnings(action="ignore"):
            return _decoded(content, formats, mode, most_pixels)
    except UnidentifiedImageError:
        reason = f"it is not a whole {' or '.join(formats)} file"
    except OSError as error:
        reason = error.strerror or str(error)
    except Exception as error:  # a decoder on spoilt bytes may raise anything
        reason = str(error) or type(error).__name__
    raise DataError(
        f"{path}: cannot be read as an image ({reason}); put the original file back in its place"
    )


def _decoded(content: bytes, formats: tuple[str, ...], mode: str, most_pixels: int) -> Image.Image:
    with Image.open(BytesIO(content), formats=formats) as image:  # reads as far as the size
        if max(image.size) > most_pixels:
            raise ValueError(
                f"it has {image.width:,} x {image.height:,} pixels, and may have {most_pixels:,} a "
                "side"
            )
        return image.convert(mode)
