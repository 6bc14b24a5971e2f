"""Set glyphs beside Omniglot: draw docs/glyphs.png, and print the table of statistics in
docs/glyphs.md.

    METABENCH_DATA=FOLDER python tools/glyphs_beside_omniglot.py [PNG]

FOLDER holds Omniglot, at least the alphabets of the suite `omniglot-small`. Both datasets are taken
as the suites `omniglot-small` and `glyphs-small` use them, and the nearest neighbour in pixels
meets the test episodes of these suites, all seeds.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from metabench import registry
from metabench.cells import Part
from metabench.datasets.images import ImageDataset
from metabench.experiment.streams import EpisodeStream
from metabench.suite import load_suite
from metabench.suite.project import Project, load_project
from metabench.tasks.episodes import EpisodeShape

ROOT = Path(__file__).parents[1]
SUITES = {"Omniglot": "omniglot-small", "glyphs": "glyphs-small"}
CPU = torch.device("cpu")

SIDE, COLUMNS, BETWEEN, LINE = 52, 13, 36, 34
CHARACTERS = (3, 47, 130, 160, 215)
"""Those of which the lower half of the figure shows a row of drawings each."""


def dataset(part: Part, project: Project, **changes: object) -> ImageDataset:
    """Return the dataset of a suite, upright, with other settings here and there."""
    loaded: ImageDataset = registry.make(
        "datasets",
        dataclasses.replace(part, settings={**part.settings, "rotations": "none", **changes}),
    )
    loaded.load(project.data)
    return loaded


def row(images: np.ndarray) -> Image.Image:
    """Return images ``[n, SIDE, SIDE]`` side by side, black on white."""
    return Image.fromarray(255 - np.concatenate(list(images), axis=1))


def half(drawings: ImageDataset) -> tuple[list[Image.Image], list[Image.Image]]:
    """Return a row of characters for each alphabet, and a row of drawings for each of
    `CHARACTERS`."""
    images, labels = drawings.pool.images[..., 0].numpy(), drawings.pool.labels
    first = {
        name: int(np.flatnonzero(labels == number)[0])
        for number, name in enumerate(drawings.pool.class_names)
    }
    alphabets = sorted({name.split("/")[0] for name in first})
    some = [
        [place for name, place in first.items() if name.startswith(f"{alphabet}/")][:COLUMNS]
        for alphabet in alphabets
    ]
    return [row(images[places]) for places in some], [
        row(images[labels == number][:COLUMNS]) for number in CHARACTERS
    ]


def figure(halves: dict[str, ImageDataset]) -> Image.Image:
    """Return Omniglot to the left and glyphs to the right: alphabets above, drawings of single
    characters below."""
    made = {title: half(drawings) for title, drawings in halves.items()}
    rows = [len(part) for part in next(iter(made.values()))]
    paper = Image.new("L", (2 * COLUMNS * SIDE + BETWEEN, 2 * LINE + sum(rows) * SIDE), 255)
    pen, font = ImageDraw.Draw(paper), ImageFont.load_default(size=20)
    for left, (title, parts) in zip((0, COLUMNS * SIDE + BETWEEN), made.items(), strict=True):
        top = 0
        for words, part in zip(
            (
                f"{title}: an alphabet a row",
                f"{title}: a character a row, each time by somebody else",
            ),
            parts,
            strict=True,
        ):
            pen.text((left + 6, top + 4), words, fill=0, font=font)
            for number, drawn in enumerate(part):
                paper.paste(drawn, (left, top + LINE + number * SIDE))
            top += LINE + len(part) * SIDE
    return paper.quantize(16)


def extent(inked: np.ndarray, axis: int) -> np.ndarray:
    """Return how far ink reaches along an axis, in pixels, for each of the images ``[n, H, W]``."""
    touched = inked.any(axis=3 - axis)
    return touched.shape[1] - touched.argmax(1) - touched[:, ::-1].argmax(1)


def pixel_accuracy(drawings: ImageDataset, part: Part, seeds: int) -> float:
    """Return the accuracy in percent of the nearest neighbour in pixels on the suites' 5-way 1-shot
    test episodes."""
    hits = []
    for seed in range(seeds):
        stream = EpisodeStream(
            drawings, part.identity(), "test", EpisodeShape(5, 1, 10), root_seed=0, seed=seed
        )
        episodes = stream.episodes(0, 200, CPU)
        nearest = torch.cdist(episodes.query_x.flatten(2), episodes.support_x.flatten(2)).argmin(2)
        hits.append((nearest == episodes.query_y).double().mean().item())
    return 100 * float(np.mean(hits))


def statistics(drawings: ImageDataset, part: Part) -> dict[str, str]:
    """Return what the table says of a dataset, in pixels unless it says otherwise."""
    images, labels = drawings.pool.images[..., 0].numpy() / 255, drawings.pool.labels
    inked = images > 0.25
    total, places = images.sum((1, 2)), np.arange(images.shape[1])
    measures = {
        "height of the ink": extent(inked, 1),
        "width of the ink": extent(inked, 2),
        "height of its centre, from the top": (images.sum(2) * places).sum(1) / total,
        "its centre, from the left": (images.sum(1) * places).sum(1) / total,
        "ink, in full pixels": total,
    }
    rows = {
        "pixels that are all ink": f"{100 * (images > 0.95).mean():.1f} %",
        "pixels that are part ink": f"{100 * ((images > 0.05) & (images <= 0.95)).mean():.1f} %",
        "pieces that do not "
        "touch": f"{np.mean([ndimage.label(image, np.ones((3, 3)))[1] for image in inked]):.2f}",
    }
    for words, values in measures.items():
        of_character = [
            values[labels == number] for number in range(len(drawings.pool.class_names))
        ]
        between, within = (
            np.std([v.mean() for v in of_character]),
            np.sqrt(np.mean([v.var() for v in of_character])),
        )
        rows[words] = f"{values.mean():.1f} ± {between:.1f} ± {within:.1f}"
    return {
        **rows,
        "nearest neighbour in pixels": f"{pixel_accuracy(drawings, part, seeds=5):.1f} %",
    }


def main() -> None:
    """Draw the figure and print the table."""
    project = load_project(ROOT)
    parts = {
        title: load_suite(suite, project).cells[0].fit.dataset for title, suite in SUITES.items()
    }
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "glyphs.png"
    figure({title: dataset(part, project, image_size=SIDE) for title, part in parts.items()}).save(
        target, optimize=True
    )
    tables = {title: statistics(dataset(part, project), part) for title, part in parts.items()}
    print(f"| | {' | '.join(tables)} |\n|---|{'---|' * len(tables)}")
    for words in next(iter(tables.values())):
        print(f"| {words} | {' | '.join(table[words] for table in tables.values())} |")


if __name__ == "__main__":
    main()
