"""Files of strangers: whatever lies where a file is expected is read within bounds or refused at
once."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from metabench.io.files import open_regular, read_regular, temporary, write_bytes


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


IRREGULAR: dict[str, tuple[Callable[[Path], object], str]] = {
    "named pipe": (os.mkfifo, "it is a named pipe"),
    "folder": (Path.mkdir, "Is a directory"),
    "link": (lambda path: path.symlink_to("/etc/hostname"), "it is a symbolic link"),
    "dangling link": (lambda path: path.symlink_to("nowhere"), "it is a symbolic link"),
    "loop": (lambda path: path.symlink_to(path), "it is a symbolic link"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "it is a symbolic link"),
    "socket": (a_socket, "it is a socket"),
    "nothing": (lambda path: None, "No such file"),
}


@pytest.mark.parametrize("kind", IRREGULAR)
def test_what_is_no_regular_file_is_refused_without_waiting(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    make, why = IRREGULAR[kind]
    make(Path("x"))
    with pytest.raises(OSError, match=why):
        open_regular(Path("x"))


def test_a_link_is_followed_on_demand_and_only_to_a_regular_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "good").symlink_to("file")
    (tmp_path / "endless").symlink_to("/dev/zero")
    assert read_regular(tmp_path / "good", 10, follow=True) == b"content"
    with pytest.raises(OSError, match="it is a device"):
        read_regular(tmp_path / "endless", 10, follow=True)


def test_a_file_beyond_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"1234")
    assert read_regular(path, 4) == b"1234"
    with pytest.raises(OSError, match="larger than 3 bytes"):
        read_regular(path, 3)
    os.truncate(path, 2**40)  # a file of holes
    with pytest.raises(OSError, match="larger than 1,000 bytes"):
        read_regular(path, 1000)


def test_nothing_is_written_through_a_planted_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"theirs")
    path = tmp_path / "run" / "file"
    path.parent.mkdir()
    path.symlink_to(outside)
    temporary(path).symlink_to(outside)
    write_bytes(path, b"ours")
    assert outside.read_bytes() == b"theirs"
    assert path.read_bytes() == b"ours"
    assert not path.is_symlink()
