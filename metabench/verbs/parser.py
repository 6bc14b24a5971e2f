"""argparse, with the nearest right word where one is wrong, and without abbreviations."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from metabench.errors import nearest
from metabench.text import one_line

if TYPE_CHECKING:
    from _typeshed import SupportsWrite


class Parser(argparse.ArgumentParser):
    """A parser that tells the nearest right word, and takes no abbreviation: one that works today
    is ambiguous tomorrow."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options
        )

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, and where help is."""
        self.exit(
            2, f"{self.prog}: {one_line(message)}\n`{self.prog} --help` shows what there is\n"
        )

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """As argparse does, with the nearest of the choices."""
        choices = [str(choice) for choice in action.choices or ()]
        if choices and value not in choices:
            words = f"{', '.join(choices[:-1])} or {choices[-1]}"
            raise argparse.ArgumentError(
                action, f"'{value}': expected {words}{nearest(value, choices)}"
            )

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        """As argparse does, which would keep to itself that there is no room for it."""
        if message:
            (file or sys.stderr).write(message)

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse a command line; an option that nobody knows is told by the parser of its verb."""
        options, unknown = self.parse_known_args(arguments)
        if unknown:
            parser: Parser = getattr(options, "parser", self)
            word = unknown[0].partition("=")[0]
            parser.error(
                "no such option or argument: "
                f"{unknown[0]}{nearest(word, parser._option_string_actions)}"
            )
        return options
