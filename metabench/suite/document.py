"""TOML files as the user wrote them: reading, pointing at a line, writing back.

A `Document` keeps the text beside the parsed data, so that every complaint can say which file,
which line, which key and what stands there. `tomllib` knows lines for syntax errors alone;
`Document.line` finds those of keys by reading headers and `key =` lines, which serves every usual
way to write TOML and otherwise falls back to the nearest enclosing table.
"""

from __future__ import annotations

import itertools
import math
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from metabench.errors import ConfigError
from metabench.io.files import read_regular
from metabench.suite.toml import toml_key, toml_value
from metabench.text import one_line

KeyPath = tuple[str | int, ...]
"""Where a value stands: keys of tables and positions in arrays, from the root of the file."""

MAX_BYTES = 2**20
MAX_DEPTH = 12
MAX_PROBLEMS = 12
_INT64 = 2**63
_KEY_PART = r"(?:[A-Za-z0-9_-]+|\"(?:[^\"\\]|\\.)*\"|'[^']*')"
_DOTTED_KEY = rf"{_KEY_PART}(?:\s*\.\s*{_KEY_PART})*"
_ENDLESS_KEY = re.compile(
    r"(?m)(?:^|[\[{,])[ \t]*(?:(?:[A-Za-z0-9_-]++|\"[^\"\n]*+\"|'[^'\n]*+')[ \t]*+\.[ \t]*+){20}"
)
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_DOTTED_KEY})\s*\]")
_ASSIGNMENT = re.compile(rf"\s*({_DOTTED_KEY})\s*=")


@dataclass(frozen=True)
class Document:
    """A TOML file: its name as shown in messages, its text, and what the text says."""

    name: str
    text: str = ""
    data: dict[str, Any] = field(default_factory=dict)

    def error(self, *problems: tuple[KeyPath, str | Callable[[], str]]) -> ConfigError:
        """Return one error for several problems of a kind, a line each: `file:line: [table] key =
        value: what is wrong`.

        Where finding the words takes time, a function may give them: it is called for the few
        problems that are told.
        """
        ordered = sorted(problems, key=lambda problem: self.line(problem[0]) or 0)[:MAX_PROBLEMS]
        lines = [
            f"{self._where(path)}: {one_line(why() if callable(why) else why)}"
            for path, why in ordered
        ]
        if len(problems) > MAX_PROBLEMS:
            lines.append(f"{self.name}: ... and {len(problems) - MAX_PROBLEMS} more")
        return ConfigError("\n".join(lines))

    def line(self, path: KeyPath) -> int | None:
        """Return the line (from 1) where the value at `path` is said, else that of the nearest
        table around it, else None."""
        wanted = _tokens(path)
        found: list[tuple[int, int]] = []
        # one [grid] is the first of a list
        for target in (wanted, [token for token in wanted if token != "0"]):
            depths = (
                depth for depth in range(len(target), 0, -1) if tuple(target[:depth]) in self._lines
            )
            found += [
                (-depth, self._lines[tuple(target[:depth])])
                for depth in itertools.islice(depths, 1)
            ]
        return min(found)[1] if found else None

    @cached_property
    def _lines(self) -> dict[tuple[str, ...], int]:
        """Where each key is first said."""
        lines: dict[tuple[str, ...], int] = {}
        for number, said in _said_on_lines(self.text):
            lines.setdefault(tuple(said), number)
        return lines

    def value(self, path: KeyPath) -> Any:
        """Return what stands at `path`, or None where nothing does (TOML itself has no null)."""
        value: Any = self.data
        for key in path:
            if isinstance(value, dict):
                value = value.get(key)
            elif isinstance(value, list) and isinstance(key, int) and key < len(value):
                value = value[key]
            else:
                return None
        return value

    def _where(self, path: KeyPath) -> str:
        line = self.line(path)
        parts = [f"{self.name}:{line}:" if line else f"{self.name}:"]
        value = self.value(path)
        table, key = _split(path)
        if isinstance(value, dict) and key:
            table, key = f"{table} {key}" if "[[" in table else f"[{_dotted(path)}]", ""
        if table:
            parts.append(table)
        if key:
            parts.append(key if value is None else f"{key} = {_preview(value)}")
        return " ".join(parts).removesuffix(":")


def read_document(path: Path) -> Document:
    """Read a TOML file.

    Raises
    ------
    ConfigError
        It cannot be read, is not UTF-8 or not TOML, or holds what no key of any file takes (dates,
        nan, 65-bit integers, deep nesting).
    """
    name = _shown(path)
    try:
        text = read_regular(path, MAX_BYTES, follow=True).decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{name}: is not UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from None
    # a path that no file system takes, such as one with a null character
    except ValueError as error:
        raise ConfigError(f"{name!r}: cannot be read: {error}") from None
    if _ENDLESS_KEY.search(text):  # tomllib takes the square of the parts of a dotted key in time
        raise ConfigError(f"{name}: tables or lists are nested too deeply")
    try:
        data = tomllib.loads(text)
    except RecursionError:
        raise ConfigError(f"{name}: tables or lists are nested too deeply") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: is not valid TOML: {one_line(error)}") from None
    except ValueError:  # Python reads no decimal of thousands of digits
        raise ConfigError(
            f"{name}: holds an integer of thousands of digits; 64 bits are the most"
        ) from None
    document = Document(name, text, data)
    if problems := list(_impossible_values(data)):
        raise document.error(*problems)
    return document


def _impossible_values(data: dict[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """Find what TOML can say and no setting can mean. A stack, not recursion: nesting is one of the
    things looked for."""
    stack: list[tuple[KeyPath, Any]] = [((), data)]
    while stack:
        path, value = stack.pop()
        if len(path) > MAX_DEPTH:
            yield path[:3], f"tables or lists are nested more than {MAX_DEPTH} deep"
            return
        if isinstance(value, dict):
            stack += [((*path, key), item) for key, item in reversed(value.items())]
        elif isinstance(value, list):
            stack += [((*path, place), item) for place, item in reversed(list(enumerate(value)))]
        elif isinstance(value, float) and not math.isfinite(value):
            yield path, "is no finite number"
        elif isinstance(value, int) and not -_INT64 <= value < _INT64:
            yield path, "does not fit in 64 bits"
        elif not isinstance(value, str | int | float):
            yield path, "is a date or a time, and no key takes one"


def _said_on_lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, tokens of the full key) for every header and assignment that begins a
    line outside of multi-line strings."""
    header: list[str] = []
    counts: dict[tuple[str, ...], int] = {}
    quote = ""
    for number, line in enumerate(text.split("\n"), start=1):
        outside = not quote
        for mark in re.findall(r'"""|' + "'''", line):
            quote = "" if quote == mark else quote or mark
        if not outside:
            continue
        if match := _HEADER.match(line):
            header = _keys(match[2])
            if match[1] == "[[":
                name = tuple(header)
                counts[name] = counts.get(name, -1) + 1
                header.append(str(counts[name]))
            elif tuple(header[:1]) in counts:  # [override.train] below [[override]]
                header.insert(1, str(counts[tuple(header[:1])]))
            yield number, header
        elif match := _ASSIGNMENT.match(line):
            yield number, header + _keys(match[1])


def _keys(dotted: str) -> list[str]:
    """Split `a."b.c".d` into single words; quoted keys are split at their dots too, as
    `"train.iterations"` means what `train.iterations` does."""
    return _tokens(part.strip("\"'") for part in re.findall(_KEY_PART, dotted))


def _tokens(path: Iterable[str | int]) -> list[str]:
    return [token for key in path for token in str(key).split(".")]


def _split(path: KeyPath) -> tuple[str, str]:
    """Return the enclosing table as `[header]` and the rest of the path as a dotted key."""
    names = [key for key in path if isinstance(key, str)]
    if len(path) >= 2 and isinstance(path[1], int):
        ordinal = f" number {path[1] + 1}" if path[1] else ""
        return f"[[{toml_key(names[0])}]]{ordinal}", _dotted(path[2:])
    depth = (
        2
        if names[:1] in (["algorithms"], ["models"], ["datasets"], ["profiles"], ["plugins"])
        else 1
    )
    depth = min(depth, max(len(path) - 1, 0))
    return (f"[{_dotted(path[:depth])}]" if depth else ""), _dotted(path[depth:])


def _dotted(path: KeyPath) -> str:
    text = ""
    for key in path:
        text += (
            f"[{key}]" if isinstance(key, int) else ("." if text else "") + preview(toml_key(key))
        )
    return text


def _preview(value: Any) -> str:
    if isinstance(value, list) and any(isinstance(item, list | dict) for item in value):
        return f"a list of {len(value)}"
    return preview(toml_value(value))


def preview(text: str, limit: int = 60) -> str:
    """Return the text, or its beginning where it is longer than that."""
    return text if len(text) <= limit else text[: limit - 4] + " ..."


def _shown(path: Path) -> str:
    with suppress(ValueError):
        path = path.absolute().relative_to(Path.cwd())
    return one_line(path)
