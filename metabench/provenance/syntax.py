"""What one source says: a digest of its syntax tree, what it imports, and the data files it names.

Comments, docstrings and the words of what is raised shape no number, and do not count.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

DIGITS = 12
"""Hex digits of a file's digest."""

_DATA = re.compile(r"[\w.-]{1,80}\.(?:json|csv|txt|toml)")

_Stamp = tuple[int, int]
"""Time of change of a file, and its size."""


class Import(NamedTuple):
    """One import statement: `from module import names`, `level` packages further up."""

    level: int
    module: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """What a module's source says.

    Attributes
    ----------
    digest
        Of its syntax tree.
    imports
        Its import statements.
    data
        Names of data files that stand in it.
    """

    digest: str
    imports: tuple[Import, ...]
    data: tuple[str, ...]


def read_source(file: Path) -> Source:
    """Read a source as it is now; one that is no Python counts by its bytes.

    Raises
    ------
    OSError
        It cannot be read.
    """
    return _read_at(file, _stamp(file))


@lru_cache(maxsize=4096)
def _read_at(file: Path, stamp: _Stamp) -> Source:
    content = file.read_bytes()
    reader = Reader()
    try:
        reader.read(ast.parse(content))
    except (SyntaxError, ValueError, RecursionError):
        return Source(_short_digest(content), (), ())
    text = "".join(reader.text).encode()
    return Source(_short_digest(text), tuple(reader.imports), tuple(sorted(reader.data)))


def digest_of(file: Path) -> str:
    """The digest of a data file as it is now.

    Raises
    ------
    OSError
        It cannot be read.
    """
    return _digest_at(file, _stamp(file))


@lru_cache(maxsize=4096)
def _digest_at(file: Path, stamp: _Stamp) -> str:
    return _short_digest(file.read_bytes())


def _stamp(file: Path) -> _Stamp:
    found = file.stat()
    return found.st_mtime_ns, found.st_size


def _short_digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:DIGITS]


class Reader:
    """Reads a syntax tree: what it says, in one form under every version of Python, and what is
    imported in it.

    What is empty, where something stands and how it was written is left out: new versions of Python
    add fields of these kinds.
    """

    def __init__(self) -> None:
        self.text: list[str] = []
        self.imports: list[Import] = []
        self.data: set[str] = set()

    def read(self, node: ast.AST, *, raised: bool = False) -> None:
        """Read a node and all below it; of what is `raised` the words do not count."""
        match node:
            case ast.Import():
                self.imports += [Import(0, alias.name, ()) for alias in node.names]
            case ast.ImportFrom():
                names = tuple(alias.name for alias in node.names)
                self.imports.append(Import(node.level, node.module or "", names))
            case ast.Raise():
                raised = True
            case ast.JoinedStr() if raised:
                return
            case ast.Constant(value=str(text)):
                if raised:
                    return
                if _DATA.fullmatch(text):
                    self.data.add(text)
        self.text.append(f"{type(node).__name__}(")
        for name in node._fields:
            if name not in _UNREAD and (value := getattr(node, name, None)) is not None:
                self._read_field(name, value, raised)
        self.text.append(")")

    def _read_field(self, name: str, value: object, raised: bool) -> None:
        if isinstance(value, list):
            if items := list(_telling(value)):
                self.text.append(f"{name}=[")
                for item in items:
                    self._read_value(item, raised)
                self.text.append("]")
        else:
            self.text.append(f"{name}=")
            self._read_value(value, raised)

    def _read_value(self, value: object, raised: bool) -> None:
        if isinstance(value, ast.AST):
            self.read(value, raised=raised)
        else:  # ascii: what is printable depends on the version
            is_long = type(value) is int and value.bit_length() > _LONG
            self.text.append(f"{value:x}," if is_long else f"{value!a},")


_UNREAD = frozenset({"ctx", "kind", "type_comment", "type_ignores"})
_LONG = 10_000
"""Bits of a number that is not written in decimal digits: Python refuses thousands of those."""


def _telling(items: Iterable[object]) -> Iterator[object]:
    """The items of a list without docstrings, `pass`, and imports for a type checker alone."""
    for item in items:
        match item:
            case ast.Expr(value=ast.Constant(value=str())) | ast.Pass():
                pass
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                yield from _telling(item.orelse)
            case _:
                yield item
