"""Suites, project files, options and variables of all kinds: whatever they say, the command line
answers in time and touches nothing else."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fuzz.harness import cases, chance, command, snapshot
from suite_project import GOOD, PLUGINS

PROJECT = """\
suite = "x"
threads = 1
confidence = 0.9
[train]
query_shots = 5
[plugins.methods]
odd = "oddities:Odd"
"""

TINY = """\
[grid]
algorithms = ["maml", "fomaml"]
datasets = ["sinusoid"]
shots = [2]
seeds = 1
[train]
iterations = 2
tasks_per_batch = 2
[validate]
every = 2
episodes = 2
[evaluate]
episodes = 2
"""

ODD_WORDS = (
    "\\u0000",
    "\\u001b[2J",
    "\\u202e",
    "\\n\\nmetabench: all is well",
    "../..",
    "%s{0}[/bold]",
    "[bold]",
    "ü",
    "\\ud7ff",
    "-",
    ".",
    "a" * 300,
)
VALUES = (
    "0", "-1", "1", "true", "false", "0.0", "-0.0", "1e308", "1e-308", "5e-324", "nan", "inf",
    "-inf", "9223372036854775807",
    "9223372036854775808", "0xffffffffffffffffffff", "0o777", "0b101", "0x" + "f" * 5000,
    "9" * 5000, "1979-05-27", "07:32:00",
    "1979-05-27T07:32:00Z", '""', "[]", "{}", "[[]]", "[{}]", "{ a = 1 }", "[1, 1]", '[1, "a"]',
    "[true, 1]", "[" * 40 + "]" * 40, "[" * 3000,
    '"maml"', '["maml", "maml"]', '"sinusoid"', '["omniglot", "sinusoid"]',
    "[" + "3," * 3000 + "]", "10000", "1000000000", '"x"', '"x.toml"',
    *(f'"{word}"' for word in ODD_WORDS),
)  # fmt: skip

KEYS = (
    "title",
    "root_seed",
    "reference",
    "grid",
    "train",
    "ways",
    "seeds",
    "iterations",
    "seconds",
    "axes",
    "when",
    "algorithm",
    "method",
    '""',
)

ARGUMENTS = (
    ("plan",), ("plan",), ("plan", "--json"), ("list",), ("list", "suites"), ("status",),
    ("status", "x"), ("data", "list"), ("doctor",),
    ("report",), ("report", "x"), ("plan", "x", "--profile", "short"), ("plan", "y"),
    ("data", "check", "sinusoid"), ("run", "nothing"),
    ("verify", "x"), ("plan", "suites/x.toml"), ("plan", "suites"),
)  # fmt: skip
ODD_ARGUMENTS = (
    "--only", "--seeds", "0-99999999999", "0-1", "--workers", "0", "-1", "--json", "--profile",
    "\x1b[2J", "\n\nmetabench: fine", "a" * 5000,
    "--confidence", "0.99999999999", "1e400", "--out", "", "..", "--device", "cuda:9", "cpu",
    "--threads", "algorithm=maml", "=", "\udcff", "٣",
)  # fmt: skip
VARIABLES = (
    "METABENCH_DATA",
    "METABENCH_CACHE",
    "TMPDIR",
    "COLUMNS",
    "TERM",
    "HOME",
    "NO_COLOR",
    "FORCE_COLOR",
)
ODD_VARIABLES = (
    "",
    "/dev/null",
    "/dev/full",
    "/nonexistent",
    "~nobody-of-this-name",
    "\x1b[2J\n",
    "x" * 150,
    "0",
    "-1",
    "dumb",
    ".",
    "suites/x.toml",
)


@pytest.mark.parametrize("case", list(cases(0)))
def test_suites(case: int, tmp_path: Path) -> None:
    rng = chance(case, "suites")
    project = tmp_path / "outer" / "project"
    _write(project, rng)
    (tmp_path / "outer" / "kept.txt").write_text("somebody's")
    before = snapshot(tmp_path, leaving_out=project)
    arguments = list(rng.choice(ARGUMENTS))
    if rng.random() < 0.25:
        arguments += rng.choices(ODD_ARGUMENTS, k=rng.randint(1, 3))
    variables = {rng.choice(VARIABLES): rng.choice(ODD_VARIABLES)} if rng.random() < 0.25 else {}
    folder = (
        project / "suites" if rng.random() < 0.05 and (project / "suites").is_dir() else project
    )
    outcome = command(*arguments, folder=folder, variables=variables)
    outcome.assert_fair()
    assert "\x1b" not in outcome.output
    assert "\u202e" not in outcome.output
    assert snapshot(tmp_path, leaving_out=project) == before


@pytest.mark.parametrize("case", list(cases(0))[::100])
def test_short_runs(case: int, tmp_path: Path) -> None:
    rng = chance(case, "runs")
    project = tmp_path / "project"
    (project / "suites").mkdir(parents=True)
    lines = TINY.splitlines()
    for _ in range(rng.randint(0, 2)):
        place = rng.randrange(4, len(lines))
        lines.insert(place, f"{rng.choice(KEYS)} = {rng.choice(VALUES)}")
    (project / "suites" / "x.toml").write_text("\n".join(lines))
    command(
        "run", "x", "--device", "cpu", "--timeout", "4", folder=project
    ).assert_fair()  # a suite may well ask for more, and get it


def _write(project: Path, rng: random.Random) -> None:
    (project / "suites").mkdir(parents=True)
    (project / "oddities.py").write_text(PLUGINS)
    suite, settings = GOOD.encode(), PROJECT.encode()
    for _ in range(rng.randint(1, 4)):
        mutate = rng.choice(MUTATIONS)
        if rng.random() < 0.75:
            suite = mutate(suite, rng)
        else:
            settings = mutate(settings, rng)
    (project / "suites" / "x.toml").write_bytes(suite)
    (project / "benchmark.toml").write_bytes(settings)
    if rng.random() < 0.2:
        _add_oddity(project, rng)


def _add_oddity(project: Path, rng: random.Random) -> None:
    """Put something that is no file, or has an odd name, where a file is looked for."""
    places = (
        "suites/odd.toml",
        "suites/x.toml",
        "benchmark.toml",
        "reports",
        "reports/x",
        "suites",
        "data",
        "suites/\x1b\n\u202e.toml",
        "oddities.py",
    )
    path = project / rng.choice(places)
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    kinds: list[Callable[[], Any]] = [
        lambda: path.symlink_to(path.name),
        lambda: path.symlink_to("/dev/zero"),
        lambda: path.symlink_to("../../kept.txt"),
        lambda: os.mkfifo(path),
        path.mkdir,
        lambda: path.write_bytes(b"\xff" * 100),
        lambda: path.write_bytes(b"#" * 5_000_000),
        lambda: path.write_bytes(
            b"import time; time.sleep(0.1); raise SystemExit('\\x1b[2J gone')"
        ),
    ]
    rng.choice(kinds)()


def _lines(text: bytes) -> list[bytes]:
    return text.split(b"\n")


def _other_value(text: bytes, rng: random.Random) -> bytes:
    lines = _lines(text)
    places = [place for place, line in enumerate(lines) if b"=" in line] or [0]
    place = rng.choice(places)
    lines[place] = lines[place].partition(b"=")[0] + b"= " + rng.choice(VALUES).encode()
    return b"\n".join(lines)


def _other_key(text: bytes, rng: random.Random) -> bytes:
    lines = _lines(text)
    place = rng.randrange(len(lines))
    key = rng.choice((*KEYS, "a" * 100_000, "a." * 300 + "a", '"\\u001b[2J\\u202e\\n"')).encode()
    lines[place] = key + b" =" + (lines[place].partition(b"=")[2] or b" 1")
    return b"\n".join(lines)


def _twice(text: bytes, rng: random.Random) -> bytes:
    lines = _lines(text)
    lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines))
    return b"\n".join(lines)


def _gone(text: bytes, rng: random.Random) -> bytes:
    lines = _lines(text)
    del lines[rng.randrange(len(lines))]
    return b"\n".join(lines) or b"#"


def _noise(text: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(text) + 1)
    return text[:place] + rng.randbytes(rng.randint(1, 5)) + text[place + rng.randint(0, 5) :]


def _sign(text: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(text) + 1)
    return text[:place] + rng.choice("[]{}=.,\"'#\n\\\u202e\x1b").encode() + text[place:]


def _words(text: bytes, rng: random.Random) -> bytes:
    """Put an odd word into a string that is there."""
    parts = text.split(b'"')
    parts[rng.randrange(len(parts))] += rng.choice(ODD_WORDS).encode()
    return b'"'.join(parts)


def _thousands(text: bytes, rng: random.Random) -> bytes:
    kinds = (
        "[algorithms.x{i}]\ninner_step = {i}\n", "[[override]]\ntrain.query_shots = 3\n",
        "[[claims]]\nid = \"x{i}\"\n",
        "[profiles.p{i}]\nseeds = 1\n",
        "[models.m{i}]\nmodel = \"mlp\"\n", "[[grid]]\nshots = {i}\n", "[x{i}]\n", "[a{i}.b.c.d]\n",
    )  # fmt: skip
    kind = rng.choice(kinds)
    return (
        text
        + b"\n"
        + "".join(kind.replace("{i}", str(i)) for i in range(rng.choice((10, 1000, 3000)))).encode()
    )


MUTATIONS = (
    _other_value,
    _other_value,
    _other_value,
    _other_key,
    _twice,
    _gone,
    _noise,
    _sign,
    _words,
    _thousands,
)
