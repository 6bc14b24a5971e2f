"""Identity: the canonical form of a configuration and its SHA-256."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

PROTOCOL = 1
"""Raised when the protocol itself changes what the same configuration means (training loop, episode
streams, evaluation)."""


def canonical(value: Any) -> str:
    """Return `value` as JSON with sorted keys, no spaces, and no NaN; equal configurations give
    equal strings.

    A whole float is written as an integer, so `1` and `1.0` in a suite are one setting.
    """
    return json.dumps(
        _plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


def digest(value: Any) -> str:
    """Return the SHA-256 of `canonical(value)` as 64 hex digits."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def without_defaults(settings: Any) -> dict[str, Any]:
    """Return the fields of a dataclass instance that differ from their declared defaults: a new
    option with a neutral default moves no id."""
    said = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        default = (
            field.default_factory()
            if field.default_factory is not dataclasses.MISSING
            else field.default
        )
        if default is dataclasses.MISSING or canonical(value) != canonical(default):
            said[field.name] = value
    return said


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain(dataclasses.asdict(value))
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
