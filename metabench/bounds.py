"""Bounds of numbers that are said in more places than one."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Gt, Le

LEAST_CONFIDENCE = 0.5
MOST_CONFIDENCE = 0.9999
"""Beyond it an interval over two seeds is thousands of times as wide as they are apart: nothing to be read from, nor drawn."""

Rate = Annotated[float, Gt(0), Le(1e38)]
"""A learning rate, or a norm that gradients are cut to: larger ones are no number in the 32 bits of weights."""
