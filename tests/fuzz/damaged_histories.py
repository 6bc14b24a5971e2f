"""Ways to damage a history, each drawn from the generator of a case: as an interrupted write does,
as a merge does, as an editor does, and as somebody does who means it."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from damage import LITERALS, MARK, ODD, places_of

COMMITS = ("", "abc", "f" * 40, "f" * 64, "../../etc", "--exec=x", "\x1b[2J", "a" * 5000)


def damage_history(history: Path, outside: Path, rng: random.Random) -> str:
    """Do one to three of all that can be done to a history; return what it was."""
    done = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if history.is_symlink() or not history.is_file():  # what is read there might not end
            break
        deed = rng.choice(DEEDS)
        done.append(deed.__name__)
        try:
            deed(history, outside, rng)
        except Exception:  # an earlier deed has left nothing in it
            done[-1] += " (nothing to do it to)"
    return ", ".join(done)


def a_cut(history: Path, outside: Path, rng: random.Random) -> None:
    """The file ends anywhere."""
    content = history.read_bytes()
    history.write_bytes(content[: rng.randrange(len(content))])


def some_bytes(history: Path, outside: Path, rng: random.Random) -> None:
    """Other bits, or bytes that were not there."""
    content = bytearray(history.read_bytes())
    at = rng.randrange(len(content))
    if rng.random() < 0.5:
        content[at] ^= 1 << rng.randrange(8)
    else:
        content[at:at] = rng.randbytes(rng.choice((1, 8, 500)))
    history.write_bytes(bytes(content))


def a_foreign_line(history: Path, outside: Path, rng: random.Random) -> None:
    """A line that is no entry, or none of this suite, at any place."""
    lines = history.read_bytes().splitlines(keepends=True)
    good = json.loads(lines[0])
    foreign = (
        b"<<<<<<< HEAD", b"", b"\0" * 50, b"\xff\xfe", b"null", b"[]", b"{}", b"{" * 5000,
        b"[1e999]", b'{"schema": 1}', b"\xef\xbb\xbf{}",
        json.dumps(good | {"suite": "another"}).encode(),
        json.dumps(good | {"schema": rng.choice((0, 2, 99, True, 1.0, "1", None))}).encode(),
    )  # fmt: skip
    for _ in range(rng.choice((1, 1, 50))):
        lines.insert(rng.randrange(len(lines) + 1), rng.choice(foreign) + b"\n")
    history.write_bytes(b"".join(lines))


def a_value(history: Path, outside: Path, rng: random.Random) -> None:
    """Something else stands somewhere in a line."""

    def change(told: dict[str, Any]) -> str:
        inside, key = rng.choice(places_of(told))
        if rng.random() < 0.3:
            inside[key] = MARK
            return json.dumps(told).replace(json.dumps(MARK), rng.choice(LITERALS))
        inside[key] = rng.choice(ODD)
        return json.dumps(told)

    _change_a_line(history, rng, change)


def a_number(history: Path, outside: Path, rng: random.Random) -> None:
    """A number of a line is another one that JSON can hold: what is computed of it must bear
    that."""

    def change(told: dict[str, Any]) -> str:
        found = [(one, key) for one, key in places_of(told) if type(one[key]) in (int, float)]
        for inside, key in rng.choices(found, k=rng.choice((1, 5, 50))):
            inside[key] = rng.choice(
                (0, -1, 1, 2**62, -(2**62), 1e99, -1e99, 1e-99, 0.5, -0.0, 10**9, 5e-324)
            )
        return json.dumps(told)

    _change_a_line(history, rng, change)


def a_key(history: Path, outside: Path, rng: random.Random) -> None:
    """A key is gone, or a value stands there many times."""

    def change(told: dict[str, Any]) -> str:
        inside, key = rng.choice(places_of(told))
        if isinstance(inside, list) and rng.random() < 0.7:
            inside.extend([inside[key]] * rng.choice((1, 2, 500)))
        else:
            del inside[key]
        return json.dumps(told)

    _change_a_line(history, rng, change)


def a_commit(history: Path, outside: Path, rng: random.Random) -> None:
    """A line names another commit, or none."""
    commit = rng.choice((*COMMITS, None))
    _change_a_line(
        history,
        rng,
        lambda told: json.dumps(told | {"commit": commit, "commits": [commit] if commit else []}),
    )


def a_copy(history: Path, outside: Path, rng: random.Random) -> None:
    """A line stands there twice, whole or changed a little, under one id or another."""
    lines = history.read_bytes().splitlines(keepends=True)
    told = json.loads(rng.choice(lines))
    told |= rng.choice(
        (
            {},
            {"id": "".join(rng.choices("0123456789abcdef", k=64))},
            {"ended": rng.choice(("0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59-23:59"))},
            {"groups": rng.choice(([], told["groups"][:1], told["groups"] * 2))},
            {"groups": [group | {"seeds": []} for group in told["groups"]]},
        )
    )
    lines.insert(rng.randrange(len(lines) + 1), json.dumps(told).encode() + b"\n")
    history.write_bytes(b"".join(lines))


def something_else(history: Path, outside: Path, rng: random.Random) -> None:
    """A link, a folder, a named pipe or nothing in the place of the file, or of its folder."""
    place = rng.choice((history, history, history.parent))
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink()
    rng.choice(
        (
            lambda: place.symlink_to(rng.choice((outside / "secret", outside / "folder", place))),
            lambda: place.symlink_to("/dev/zero"),
            lambda: os.mkfifo(place),
            place.mkdir,
            place.touch,
            lambda: None,
        )
    )()


DEEDS: tuple[Callable[[Path, Path, random.Random], None], ...] = (
    a_cut, some_bytes, a_foreign_line, a_value, a_value, a_value, a_number, a_number, a_key, a_key,
    a_commit, a_copy, something_else,
)  # fmt: skip


def _change_a_line(
    history: Path, rng: random.Random, change: Callable[[dict[str, Any]], str]
) -> None:
    """Change one line that is JSON; others stay."""
    lines = history.read_bytes().splitlines(keepends=True)
    whole = [place for place, line in enumerate(lines) if _is_whole(line)]
    if whole:
        place = rng.choice(whole)
        text = change(json.loads(lines[place]))
        lines[place] = text.encode(errors="replace") + b"\n"
        history.write_bytes(b"".join(lines))


def _is_whole(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
