"""Classified images: what is learnt from, and the queries with what each algorithm took them for,
class by class in rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from metabench.figures import LARGEST, Array, Canvas, Drawing, Figure, Kept

if TYPE_CHECKING:
    from torch import Tensor

    from metabench.tasks.episodes import Draw, Episodes

EPISODES, SHOTS, QUERIES, SIDE = 2, 5, 4, 32
"""What is kept at most: episodes, support images and queries a class, pixels a side."""
BYTES = 150_000
"""Of what is kept."""
WIDEST = 128
"""Most pixels a side, and most classes, that are taken from a record."""


class Images(Figure):
    """The first two episodes of the test: support images, and the queries as they were taken."""

    name: ClassVar[str] = "images"
    parts: ClassVar[tuple[str, ...]] = (
        "support_x",
        "support_y",
        "query_x",
        "query_y",
        "prediction",
    )
    wide: ClassVar[bool] = True

    def select(self, draw: Draw) -> Draw:
        """The first two, whole: what is predicted for a query may depend on the others."""
        return {name: values[:EPISODES] for name, values in draw.items()}

    def keep(self, episodes: Episodes, predicted: Tensor) -> dict[str, Array]:
        """The first images of each class, small, of as many episodes as fit and of one at least.

        ``support_x`` and ``query_x`` are uint8 ``[e, n, H, W, C]``, a prediction is the class,
        ``[e, P, n]``.
        """
        import torch

        episode = torch.arange(len(episodes), device=predicted.device).unsqueeze(1)
        support = _first_of_class(episodes.support_y, SHOTS)
        query = _first_of_class(episodes.query_y, QUERIES)
        few = {
            "support_x": _small(episodes.support_x[episode, support]),
            "support_y": episodes.support_y[episode, support].to(torch.int16),
            "query_x": _small(episodes.query_x[episode, query]),
            "query_y": episodes.query_y[episode, query].to(torch.int16),
            "prediction": predicted.argmax(-1)[episode, :, query].movedim(1, -1).to(torch.int16),
        }
        fit = max(1, BYTES // (few["support_x"][0].numel() + few["query_x"][0].numel()))
        return {name: tensor[:fit].contiguous().cpu().numpy() for name, tensor in few.items()}

    def fits(self, kept: Kept) -> bool:
        """Small images of one shape, and a class for each."""
        support, query, prediction = kept["support_x"], kept["query_x"], kept["prediction"]
        answers = (kept["support_y"], kept["query_y"], prediction)
        if support.ndim != 5 or query.ndim != 5 or not support.size or not query.size:
            return False
        if (
            any(math.prod(values.shape[:2]) > LARGEST for values in (support, query))
            or any(math.prod(values.shape[:3]) > LARGEST for values in answers)
            or support.shape[2:] != query.shape[2:]
            or max(support.shape[2:4]) > WIDEST
            or support.shape[4] not in (1, 3)
            or not support.dtype == query.dtype == np.uint8
        ):
            return False
        episodes, asked = query.shape[:2]
        shapes = [support.shape[:2], (episodes, asked), (episodes, len(kept.steps), asked)]
        return [label.shape for label in answers] == shapes and all(
            np.issubdtype(label.dtype, np.integer) and label.min() >= 0 and label.max() < WIDEST
            for label in answers
        )

    def alike(self, one: Kept, other: Kept) -> bool:
        """Whether the queries are the same images of the same classes."""
        return np.array_equal(one["query_y"], other["query_y"]) and np.array_equal(
            one["query_x"], other["query_x"]
        )

    def legend(self, canvas: Canvas) -> str:
        """What a row is, and a frame."""
        cross = canvas.symbol("m2 2 8 8m0-8-8 8", bad=True)
        return (
            "Each row is a class: on the left what is learnt from, then queries as each algorithm "
            f"takes them. A frame with {cross}and a letter marks a query taken for the class of "
            "that letter; the others are right."
        )

    def draw(self, canvas: Canvas, kept: Sequence[Kept]) -> Iterator[Drawing]:
        """The support images, then for each algorithm the queries."""
        from metabench.figures.tiles import Sprite, letter

        first = kept[0]
        support = _by_class(first["support_x"], first["support_y"])
        query = _by_class(first["query_x"], first["query_y"])
        if support is None or query is None or len(support[0]) != len(query[0]):
            return
        tiles = np.concatenate((support, query), axis=2).astype(np.uint8)
        sprite, shots = Sprite(canvas.key, tiles), support.shape[2]
        each = "one image" if shots == 1 else f"{shots} images"
        described = f"{len(support)} episodes of {support.shape[1]} classes, {each} of each"
        drawn = sprite.svg("support", range(shots), None, "Support images", described, first=True)
        yield Drawing(None, "what all learn from", drawn, "Support images")
        for one in kept:
            taken = _by_class(one["prediction"][:, one.final], one["query_y"])
            if taken is None:
                continue
            wrong = [(at, int(label)) for at, label in np.ndenumerate(taken) if label != at[1]]
            caption = f"{taken.size - len(wrong)} of {taken.size} shown are right"
            mistakes = "; ".join(
                f"episode {at[0] + 1}, class {letter(at[1])}: query {at[2] + 1} taken for "
                f"{letter(label)}"
                for at, label in wrong
            )
            title = f"Queries as {canvas.name(one.group)} takes them: {caption}"
            queries = range(shots, sprite.columns)
            drawn = sprite.svg(one.group, queries, taken, title, mistakes)
            yield Drawing(one.group, caption, drawn)


def _first_of_class(labels: Tensor, few: int) -> Tensor:
    """Positions ``[e, n]`` of the first `few` of each class, class by class; of as many as the
    smallest class has."""
    import torch

    sizes = torch.nn.functional.one_hot(labels).sum(1)
    shown = torch.arange(min(few, int(sizes.min())), device=labels.device)
    places = (sizes.cumsum(1) - sizes).unsqueeze(-1) + shown
    return labels.argsort(dim=1, stable=True).gather(1, places.flatten(1))


def _small(images: Tensor) -> Tensor:
    """Images ``[e, n, C, H, W]`` of 0 ... 1 as bytes ``[e, n, H, W, C]``, neighbouring pixels
    averaged where there are more than a figure shows."""
    import torch

    factor = -(-max(images.shape[-2:]) // SIDE)
    pooled: Tensor = torch.nn.functional.avg_pool2d(images.flatten(0, 1), factor)
    small: Tensor = pooled.unflatten(0, images.shape[:2]).mul(255).round().clamp(0, 255)
    return small.to(torch.uint8).movedim(2, -1)


def _by_class(values: Array, labels: Array) -> Array | None:
    """Values ``[e, n, ...]`` as ``[e, classes, n / classes, ...]``, where every class of every
    episode has as many; else None."""
    classes = int(labels.max()) + 1
    each = labels.shape[1] // classes
    if labels.shape[1] % classes or any(
        (np.bincount(episode, minlength=classes) != each).any() for episode in labels
    ):
        return None
    order = np.argsort(labels, axis=1, kind="stable")
    chosen = np.stack([value[at] for value, at in zip(values, order, strict=True)])
    return chosen.reshape(len(values), classes, -1, *values.shape[2:])
