"""Views of images: known answers for known maps, and maps within their bounds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from metabench.datasets.augmentation import (
    AREA,
    ASPECT,
    SHIFT,
    TURN,
    ZOOM,
    drawing_views,
    photograph_views,
    resampled,
)

COUNT = 4000


def maps(*rows: Any) -> np.ndarray:
    return np.array([rows], dtype=np.float32)


def image(channels: int = 1, size: int = 8) -> Tensor:
    return torch.rand(1, channels, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("map_", "answer"),
    [
        (maps((1, 0, 0), (0, 1, 0)), lambda x: x),
        (maps((-1, 0, 0), (0, 1, 0)), lambda x: x.flip(-1)),
        (maps((0, 1, 0), (1, 0, 0)), lambda x: x.mT),
        (maps((0, -1, 0), (1, 0, 0)), lambda x: torch.rot90(x, 1, (-2, -1))),
        # two pixels of eight to the right: what is beyond the edge is the last column
        (
            maps((1, 0, 0.5), (0, 1, 0)),
            lambda x: torch.cat((x[..., 2:], x[..., -1:], x[..., -1:]), -1),
        ),
    ],
    ids=["the same", "flipped", "transposed", "turned", "shifted"],
)
def test_known_maps_give_known_views(map_: np.ndarray, answer: Any) -> None:
    x = image(3)
    torch.testing.assert_close(resampled(x, map_), answer(x), rtol=0, atol=1e-6)


def test_a_crop_of_half_a_side_shows_the_middle() -> None:
    """Of a ramp from left to right: from a quarter to three quarters of it."""
    ramp = (torch.arange(16) + 0.5).div(16).expand(1, 1, 16, 16)
    seen = resampled(ramp.contiguous(), maps((0.5, 0, 0), (0, 0.5, 0)))
    torch.testing.assert_close(seen[0, 0, 0], 0.25 + (torch.arange(16) + 0.5) / 32)


def test_each_image_has_a_view_of_its_own() -> None:
    x = image().expand(2, -1, -1, -1).contiguous()
    both = np.concatenate((maps((1, 0, 0), (0, 1, 0)), maps((-1, 0, 0), (0, 1, 0))))
    seen = resampled(x, both)
    torch.testing.assert_close(seen[1], seen[0].flip(-1), rtol=0, atol=1e-6)


def test_photographs_are_cropped_within_the_image_and_half_of_them_flipped() -> None:
    drawn = photograph_views(COUNT, np.random.default_rng(0))
    assert drawn.shape == (COUNT, 2, 3)
    (a, b, x), (c, d, y) = drawn[:, 0].T, drawn[:, 1].T
    assert not b.any()
    assert not c.any()
    assert (np.abs(x) + np.abs(a) <= 1 + 1e-6).all()
    assert (np.abs(y) + d <= 1 + 1e-6).all()
    area, whole = np.abs(a) * d, (np.abs(a) < 1 - 1e-6) & (d < 1 - 1e-6)
    assert area.min() >= AREA[0] * 0.75
    assert area.max() <= AREA[1] + 1e-6
    aspect = (np.abs(a) / d)[whole]
    assert ASPECT[0] - 1e-5 <= aspect.min() < 0.8
    assert 1.25 < aspect.max() <= ASPECT[1] + 1e-5
    assert 0.45 < (a < 0).mean() < 0.55


def test_drawings_are_turned_shifted_and_resized_a_little_and_never_flipped() -> None:
    drawn = drawing_views(COUNT, np.random.default_rng(0))
    linear, shift = drawn[:, :, :2].astype(np.float64), drawn[:, :, 2]
    zoom = np.sqrt(np.linalg.det(linear))
    assert ZOOM[0] - 1e-6 <= zoom.min() < 0.85
    assert 1.15 < zoom.max() <= ZOOM[1] + 1e-6
    angle = np.arctan2(linear[:, 1, 0], linear[:, 0, 0])
    assert math.radians(9) < np.abs(angle).max() <= TURN + 1e-6
    assert 1.9 * SHIFT < np.abs(shift).max() <= 2 * SHIFT + 1e-6
    assert abs(angle.mean()) < 0.01


@pytest.mark.parametrize("views", [photograph_views, drawing_views])
def test_views_come_again_from_the_same_generator(views: Any) -> None:
    first, again = (views(5, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, views(5, np.random.default_rng(4)))
    assert np.isfinite(first).all()
