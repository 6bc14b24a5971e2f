"""JSON of strangers: read within bounds, or told in a line."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabench.io import untrusted
from metabench.io.untrusted import DEPTH, LARGEST, impossible, plain, read_json


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "nested too deeply"),
        (b"[" * (DEPTH + 2) + b"]" * (DEPTH + 2), "nested too deeply"),
        (b'{"a": [1, {"b": NaN}]}', "NaN is no JSON"),
        (b"-Infinity", "-Infinity is no JSON"),
        (b'{"a": {"b": 1e999}}', r"a\.b is beyond all bounds"),
        (b'{"a": [0.5, null, -1e308]}', "a holds what is beyond all bounds"),
        (b'{"a": [1, 1000000000000000000000000000000]}', "a holds what is beyond all bounds"),
        (b'{"a": ["x", 1e200]}', "a holds what is beyond all bounds"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "integer string"),
        (b"\xff", "utf-8"),
        ('{"a": 1}'.encode("utf-16"), "utf-8"),
        (b"", "Expecting value"),
        (b"{'a': 1}", "Expecting property name"),
    ],
)
def test_what_no_file_of_a_run_says_is_told(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=complaint):
        read_json(path)


def test_a_file_of_too_many_values_is_not_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(untrusted, "VALUES", 10)
    path = tmp_path / "x.json"
    path.write_text(json.dumps(list(range(20))))
    with pytest.raises(ValueError, match="more than 10 values"):
        read_json(path)
    with pytest.raises(OSError, match="larger than 5 bytes"):
        read_json(path, 5)


NUMBERS = st.one_of(st.floats(), st.integers(-(2**70), 2**70), st.none(), st.booleans())
ANYTHING = st.recursive(
    NUMBERS | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
)


def bounded(value: Any) -> bool:
    """A second opinion, one value at a time."""
    if isinstance(value, dict | list):
        return all(bounded(item) for item in (value.values() if isinstance(value, dict) else value))
    if isinstance(value, float):
        return math.isfinite(value) and abs(value) <= LARGEST
    return not isinstance(value, int) or abs(value) < 2**63


@pytest.mark.slow
@given(value=ANYTHING)
def test_every_number_is_looked_at(value: Any) -> None:
    assert (impossible(value) == "") == bounded(value)


@pytest.mark.slow
@given(value=st.recursive(st.floats() | st.none(), lambda inner: st.lists(inner, max_size=4)))
def test_what_is_written_can_be_read(value: Any) -> None:
    assert impossible(json.loads(json.dumps(plain(value), allow_nan=False))) == ""
