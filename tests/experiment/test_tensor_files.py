"""Files of tensors: what is written comes back, whole or not at all, and nothing else is read."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from metabench.errors import UnwritableError
from metabench.experiment import tensor_files


def test_trees_come_back_as_they_were(tmp_path: Path) -> None:
    lying = torch.arange(24.0).view(1, 2, 3, 4).contiguous(memory_format=torch.channels_last)
    shared = torch.ones(3)
    tree = {
        "tensors": [
            lying,
            torch.tensor(3, dtype=torch.int64),
            torch.zeros(0),
            torch.tensor([True, False]),
            shared,
            shared[1:],
            shared.expand(2, 3),
        ],
        "by number": {0: {"step": torch.tensor(1.0)}, 7: (0.1, None)},
        "floats": [0.1, -np.inf, np.nan, 1e-320],
        "plain": [True, 2, "three", None, {}],
    }
    tensors: dict[str, torch.Tensor] = {}
    packed = tensor_files.pack(tree, "", tensors)
    tensor_files.write(tmp_path / "new" / "file", {"packed": packed}, tensors)
    found = tensor_files.read(tmp_path / "new" / "file")
    assert found is not None
    again = tensor_files.unpack(found[0]["packed"], found[1])
    for one, other in zip(tree["tensors"], again["tensors"], strict=True):
        assert torch.equal(one, other)
        assert one.dtype == other.dtype
    assert again["tensors"][0].stride() == lying.stride()
    assert again["by number"][0]["step"] == 1.0
    assert again["by number"][7] == (0.1, None)
    assert np.array(again["floats"]).tobytes() == np.array(tree["floats"]).tobytes()
    assert again["plain"] == tree["plain"]


def test_what_a_file_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="optimizer/state: a checkpoint cannot hold a set"):
        tensor_files.pack({"optimizer": {"state": {1, 2}}}, "", {})


def test_a_file_that_cannot_be_written_leaves_the_one_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    tensor_files.write(path, {"number": 1}, {})

    def fail(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("metabench.io.files.flush", fail)
    with pytest.raises(UnwritableError, match="file: cannot be written: No space left on device"):
        tensor_files.write(path, {"number": 2}, {})
    assert tensor_files.read_facts(path) == {"number": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    "make",
    [
        os.mkfifo,
        Path.mkdir,
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to(path),
    ],
)
def test_what_is_no_file_is_not_waited_for(make: Callable[[Path], Any], tmp_path: Path) -> None:
    make(tmp_path / "file")
    assert tensor_files.read(tmp_path / "file") is None
    assert tensor_files.read_facts(tmp_path / "file") is None


def test_a_file_that_says_it_is_huge_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes((2**40).to_bytes(8, "little") + b"{}")
    assert tensor_files.read(path) is None
    tensor_files.write(path, {}, {"x": torch.zeros(3)})
    os.truncate(path, 2**43)
    assert tensor_files.read(path) is None


def test_the_digest_is_that_of_names_types_shapes_and_numbers() -> None:
    tensors = {"a": torch.arange(6.0), "b": torch.ones(2, dtype=torch.int64)}
    digest = tensor_files.digest_of(tensors)
    assert digest == tensor_files.digest_of(dict(reversed(tensors.items())))
    assert digest == tensor_files.digest_of({**tensors, "a": torch.arange(12.0)[::2] / 2})
    others = [
        {"c": tensors["a"], "b": tensors["b"]},
        {**tensors, "a": tensors["a"].view(2, 3)},
        {**tensors, "b": tensors["b"].double()},
        {**tensors, "b": torch.tensor([1, 2])},
        {"a": tensors["a"]},
    ]
    assert digest not in [tensor_files.digest_of(other) for other in others]
    assert digest != tensor_files.digest_of(tensors, "text")
