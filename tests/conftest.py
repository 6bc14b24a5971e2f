"""Data that tests of every part use: a small Omniglot folder made here, the real one where it is at
hand, and loaded datasets."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image, ImageDraw

from metabench.datasets.dataset import Dataset
from metabench.datasets.omniglot import Omniglot, OmniglotSettings
from metabench.datasets.sinusoid import Sinusoid, SinusoidSettings

# The same examples on every run, and no deadline: a loaded machine is not a bug.
settings.register_profile("metabench", deadline=None, derandomize=True)
settings.load_profile("metabench")

torch.set_num_threads(1)  # as in a worker: the networks of the tests are too small for more

ALPHABETS = ("Angelic", "Braille", "Greek", "Hebrew", "Latin", "Tagalog")
SMALL_OMNIGLOT = Path(__file__).parents[2] / "shared" / "data" / "omniglot-small"


def draw_character(folder: Path, seed: int, drawings: int) -> None:
    """Write `drawings` PNGs of one character, 105 x 105, black on white: the same three strokes,
    each time a little different."""
    rng = np.random.default_rng(seed)
    strokes = rng.uniform(15, 90, (3, 6))
    folder.mkdir(parents=True)
    for number in range(1, drawings + 1):
        image = Image.new("1", (105, 105), 1)
        for stroke in strokes + rng.normal(0, 3, strokes.shape):
            ImageDraw.Draw(image).line(stroke.tolist(), fill=0, width=3)
        image.save(folder / f"{seed:04d}_{number:02d}.png")


def make_omniglot(
    root: Path, alphabets: tuple[str, ...] = ALPHABETS, characters: int = 6, drawings: int = 20
) -> Path:
    """Make a data folder in torchvision's layout, the last third of the alphabets in the evaluation
    part; return it."""
    for a, alphabet in enumerate(alphabets):
        part = "images_evaluation" if 3 * a >= 2 * len(alphabets) else "images_background"
        for c in range(1, characters + 1):
            draw_character(
                root / "omniglot-py" / part / alphabet / f"character{c:02d}", 100 * a + c, drawings
            )
    return root


@pytest.fixture(scope="session", autouse=True)
def _cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the user's cache folder out of the tests, in child processes too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("METABENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def omniglot_maker() -> Callable[..., Path]:
    """Return `make_omniglot`, for tests that want a folder of their own."""
    return make_omniglot


@pytest.fixture(scope="session")
def omniglot_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with 6 made-up alphabets x 6 characters x 20 drawings. Shared by all tests: do
    not write to it."""
    return make_omniglot(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def real_omniglot(omniglot_folder: Path) -> Path:
    """A data folder with real Omniglot (METABENCH_DATA, or the shared subset beside this checkout);
    the made-up one where there is none."""
    for folder in (os.environ.get("METABENCH_DATA"), SMALL_OMNIGLOT):
        if folder and (Path(folder) / "omniglot-py").is_dir():
            return Path(folder)
    return omniglot_folder


@pytest.fixture(scope="session")
def tiny_datasets(omniglot_folder: Path) -> dict[str, Dataset]:
    """A loaded dataset of each task kind: `sinusoid`, and `omniglot` split by alphabet (4, 1 and 1
    alphabets of 6 characters)."""
    datasets: dict[str, Dataset] = {
        "sinusoid": Sinusoid(SinusoidSettings()),
        "omniglot": Omniglot(OmniglotSettings(split="alphabet")),
    }
    for dataset in datasets.values():
        dataset.load(omniglot_folder)
    return datasets


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The system's Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield launched
        launched.close()
