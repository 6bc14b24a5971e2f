"""TOML from data, and tables as dotted keys or within one another."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
# of the control characters those that JSON leaves as they are
_UNQUOTABLE = re.compile(r"[\x7f-\x9f]")


def flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value of nested tables with its dotted key."""
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def nested(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the table with quoted dotted keys (`"train.iterations" = 5`) as tables within tables.

    Raises
    ------
    ValueError
        Two keys say the same thing; the message names it.
    """
    result: dict[str, Any] = {}
    for key, value in flat(table):
        *tables, last = key.split(".")
        inside = result
        for name in tables:
            inside = inside.setdefault(name, {})
            if not isinstance(inside, dict):
                raise ValueError(f"'{key}' and '{name}' cannot both be said")
        if last in inside:
            raise ValueError(f"'{key}' is said twice")
        inside[last] = value
    return result


def toml_text(data: Mapping[str, Any]) -> str:
    """Return `data` as TOML: plain keys first, then a `[header]` for each table and a `[[header]]`
    for each table of a list."""
    blocks = [
        "\n".join(
            f"{toml_key(key)} = {toml_value(value)}"
            for key, value in data.items()
            if not _is_table(value)
        )
    ]
    for key, value in data.items():
        if not _is_table(value):
            continue
        if isinstance(value, list):
            blocks += [_block(f"[[{toml_key(key)}]]", table) for table in value]
        elif value and all(isinstance(item, dict) for item in value.values()):
            blocks += [
                _block(f"[{toml_key(key)}.{toml_key(name)}]", table)
                for name, table in value.items()
            ]
        else:
            blocks.append(_block(f"[{toml_key(key)}]", value))
    return "\n\n".join(block for block in blocks if block) + "\n"


def toml_value(value: Any) -> str:
    """Return `value` as it would be written after `key =`; tables inline."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _UNQUOTABLE.sub(
            lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False)
        )
    if isinstance(value, Mapping):
        return (
            "{ "
            + ", ".join(f"{toml_key(key)} = {toml_value(item)}" for key, item in value.items())
            + " }"
            if value
            else "{}"
        )
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    # in a message that refuses it: Python writes no decimal of thousands of digits
    if isinstance(value, int) and value.bit_length() > 1024:
        return hex(value)
    return str(value)  # numbers; dates too, in messages that refuse them


def toml_key(key: str) -> str:
    """Return `key` bare where TOML allows it, quoted elsewhere."""
    return key if _BARE_KEY.fullmatch(key) else toml_value(key)


def _block(header: str, table: Mapping[str, Any]) -> str:
    return "\n".join(
        [header, *(f"{toml_key(key)} = {toml_value(value)}" for key, value in table.items())]
    )


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping) or (
        isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)
    )
