"""What may stand behind an option: each turns what was typed into a value, or says what it
expected."""

from __future__ import annotations

import argparse

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
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}': expected a number of seconds, greater than 0")
    return seconds


def share(text: str) -> float:
    """A number between 0 and 1."""
    return _between(text, 0, 1, "greater than 0 and less than 1")


def ratio(text: str) -> float:
    """A number above 1."""
    return _between(text, 1, 1000, "greater than 1 and less than 1000")


def _between(text: str, low: float, high: float, expected: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = low
    if not low < number < high:
        raise argparse.ArgumentTypeError(f"'{text[:20]}': expected a number {expected}")
    return number


def confidence(text: str) -> float:
    """A level of confidence."""
    try:
        confidence = float(text)
    except ValueError:
        confidence = 0.0
    if not LEAST_CONFIDENCE < confidence <= MOST_CONFIDENCE:
        raise argparse.ArgumentTypeError(
            f"'{text}': expected a number between {LEAST_CONFIDENCE} and {MOST_CONFIDENCE}"
        )
    return confidence
