"""What is kept of an exception that somebody else's code raises."""

from __future__ import annotations

import pytest

from metabench.errors import MESSAGE, message_of, shortened


class MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no word")


class WordlessError(Exception):
    def __str__(self) -> str:
        return 5  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("two\nlines"), "two\nlines"),
        (ValueError(), ""),
        (MuteError(), "(its message cannot be read: asking for it raised RuntimeError)"),
        (WordlessError(), "(its message cannot be read: asking for it raised TypeError)"),
    ],
)
def test_what_an_exception_says(error: Exception, message: str) -> None:
    assert message_of(error) == message


def test_a_long_text_keeps_its_ends_and_says_how_long_it_was() -> None:
    assert shortened("x" * 100, 100) == "x" * 100
    assert (
        shortened("a" * 50 + "b" + "c" * 50, 100)
        == "a" * 50 + "\n... (101 characters in all) ...\n" + "c" * 50
    )
    long = message_of(ValueError("first " + "x" * 20_000_000 + " last"))
    assert long.startswith("first x")
    assert long.endswith("x last")
    assert "(20,000,011 characters in all)" in long
    assert len(long) < MESSAGE + 100
