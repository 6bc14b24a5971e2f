"""Bounds of numbers that are said in more places than one."""

from __future__ import annotations

LEAST_CONFIDENCE = 0.5
MOST_CONFIDENCE = 0.9999
"""Beyond it an interval over two seeds is thousands of times as wide as they are apart: nothing to
be read from, nor drawn."""
