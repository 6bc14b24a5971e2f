"""What may stand at a key of the TOML files: annotated types, whose limits `parsing` puts in
words."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeVar

from annotated_types import Ge, Gt, Le, MinLen
from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

from metabench.identity import canonical
from metabench.suite.toml import toml_value
from metabench.text import CONTROL

T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z0-9_+][A-Za-z0-9_.+-]{0,63}")
_CONTROL = re.compile(f"[{CONTROL}]")


def is_name(text: str) -> bool:
    """Whether `text` can name a suite, algorithm, dataset, model, profile or claim: such names
    become parts of file names."""
    return _NAME.fullmatch(text) is not None


def _a_name(text: str) -> str:
    if not is_name(text):
        raise PydanticCustomError(
            "name",
            "a name has letters, digits and _ . + - only, at most 64, and begins with no . or -",
        )
    return text


def _a_text(text: str) -> str:
    if found := _CONTROL.search(text):
        raise PydanticCustomError(
            "text",
            "holds the control character {code}; take it out",
            {"code": f"U+{ord(found[0]):04X}"},
        )
    return text


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _first_integers(value: Any) -> Any:
    """`seeds = 5` means 0 ... 4."""
    counts = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_SEEDS
    return list(range(value)) if counts else value


def distinct(values: list[T]) -> list[T]:
    """Refuse a value that stands there twice."""
    seen: set[str] = set()
    for value in values:
        if (text := canonical(value)) in seen:
            raise PydanticCustomError(
                "duplicate", "{value} stands there twice", {"value": toml_value(value)}
            )
        seen.add(text)
    return values


# Upper bounds are for slips of the keyboard: what is beyond them would only fill the memory, or
# never end.
MAX_SEEDS = 10_000
MAX_SEED = 2**31
MAX_PROCESSES = 1_024
LARGEST = 1_000_000_000_000
Amount = Annotated[float, Ge(-LARGEST), Le(LARGEST)]
Positive = Annotated[float, Gt(0), Le(LARGEST)]
Name = Annotated[str, AfterValidator(_a_name), "a name"]
Text = Annotated[str, AfterValidator(_a_text)]
Count = Annotated[int, Ge(1), Le(1_000_000_000)]
Episodes = Annotated[int, Ge(1), Le(1_000_000)]
Size = Annotated[int, Ge(1), Le(10_000)]
Ways = Annotated[int, Ge(2), Le(10_000)]
Workers = Annotated[int, Ge(0), Le(MAX_PROCESSES)]
Threads = Annotated[int, Ge(1), Le(MAX_PROCESSES)]
OneOrMore = Annotated[list[T], BeforeValidator(_listed), MinLen(1), AfterValidator(distinct)]
RootSeed = Annotated[int, Ge(0)]
Seed = Annotated[int, Ge(0), Le(MAX_SEED)]
EACH = "each"
HeldSeed = Literal["each"] | Seed
"""`each`: every seed of the grid its own."""
Seeds = Annotated[
    list[Seed],
    BeforeValidator(_first_integers),
    MinLen(1),
    AfterValidator(distinct),
    f"a number of seeds, 1 to {MAX_SEEDS:,}, or a list of seeds from 0 to {MAX_SEED:,}",
]
QueryShots = Annotated[
    Size | Annotated[list[Size], MinLen(2)],
    "a whole number, at least 1, at most 10,000, or a list with one for each class",
]
BatchNorm = Literal["default", "query", "joint", "support", "support_plus_one", "running"]
Steps = Literal["default"] | Annotated[int, Ge(0), Le(10_000)]
Setting = dict[str, Any]
