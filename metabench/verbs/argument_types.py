"""What may stand behind an option: each type turns what was typed into a value, or says what it
expected."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

from metabench.bounds import LEAST_CONFIDENCE, MOST_CONFIDENCE


def count(text: str, least: int = 1) -> int:
    """A whole number, at least `least`."""
    if not text.isdecimal() or len(text) > 9 or int(text) < least:
        raise argparse.ArgumentTypeError(
            f"'{text[:20]}': expected a whole number, at least {least}"
        )
    return int(text)


def count_or_none(text: str) -> int:
    """A whole number, 0 for as many as there are."""
    return count(text, least=0)


def seconds(text: str) -> float:
    """A number of seconds."""
    return _number(
        text, lambda number: 0 < number < math.inf, "a number of seconds, greater than 0"
    )


def share(text: str) -> float:
    """A number between 0 and 1."""
    return _number(text, lambda number: 0 < number < 1, "a number greater than 0 and less than 1")


def ratio(text: str) -> float:
    """A number above 1."""
    return _number(
        text, lambda number: 1 < number < 1000, "a number greater than 1 and less than 1000"
    )


def confidence(text: str) -> float:
    """A level of confidence."""
    return _number(
        text,
        lambda number: LEAST_CONFIDENCE < number <= MOST_CONFIDENCE,
        f"a number between {LEAST_CONFIDENCE} and {MOST_CONFIDENCE}",
    )


def _number(text: str, fits: Callable[[float], bool], expected: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")  # which fits nothing
    if not fits(number):
        raise argparse.ArgumentTypeError(f"'{text[:20]}': expected {expected}")
    return number
