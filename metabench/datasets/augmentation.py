"""Random views of images: what is random is drawn on the host from a named stream, and the images
are resampled wherever they are.

A view is one affine map of the image onto itself, so that cropping, resizing, turning, shifting and
flipping are a single bilinear resampling.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

Maps = NDArray[np.float32]
"""``[n, 2, 3]``: from the places of a view to those of its image, both from -1 to 1."""

AREA = (0.2, 1.0)
ASPECT = (3 / 4, 4 / 3)
"""Of a crop of a photograph: its share of the image, and its width over its height (Chen et al.
2020, "A simple framework for contrastive learning of visual representations", appendix A, with the
area of He et al. 2020, "Momentum contrast for unsupervised visual representation learning")."""

TURN = math.radians(10)
SHIFT = 0.1
ZOOM = (0.8, 1.2)
"""Of a drawing: the furthest it is turned either way, shifted (as a share of the image), and how
much of the image, along a side, a view shows."""


def photograph_views(count: int, rng: np.random.Generator) -> Maps:
    """Random resized crops, every other one flipped from left to right."""
    area = rng.uniform(*AREA, count)
    aspect = np.exp(rng.uniform(math.log(ASPECT[0]), math.log(ASPECT[1]), count))
    width, height = np.sqrt(area * aspect).clip(max=1), np.sqrt(area / aspect).clip(max=1)
    x, y = rng.uniform(-1, 1, (2, count)) * (1 - np.stack((width, height)))
    flip = rng.choice((-1.0, 1.0), count)
    zero = np.zeros(count)
    return _maps((flip * width, zero, x), (zero, height, y))


def drawing_views(count: int, rng: np.random.Generator) -> Maps:
    """Drawings turned a little, shifted and resized. None is flipped: the mirror image of a
    character is another one."""
    angle = rng.uniform(-TURN, TURN, count)
    zoom = rng.uniform(*ZOOM, count)
    x, y = rng.uniform(-2 * SHIFT, 2 * SHIFT, (2, count))
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    return _maps((cos, -sin, x), (sin, cos, y))


def resampled(images: Tensor, maps: Maps) -> Tensor:
    """The views ``[n, C, H, W]`` of as many images; beyond the edge an image goes on as it ends."""
    theta = torch.from_numpy(maps).to(images.device)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _maps(*rows: tuple[NDArray[np.float64], ...]) -> Maps:
    return np.stack([np.stack(row, -1) for row in rows], 1).astype(np.float32)
