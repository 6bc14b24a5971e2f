"""Runs, confirmations, histories and sites that somebody has damaged, by accident or not, under
`compare` and `publish`: they say what is wrong, and what they read and do not write stays as it
was."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from damage import ODD, damage, places_of
from damaged_histories import DEEDS, damage_history
from harness import cases, chance, command, snapshot
from two_runs import make_project, short_page

from metabench.compare.checkouts import Checkout
from metabench.site import publishing

pytestmark = pytest.mark.slow

PARTS = 30
"""Of all cases a thirtieth each for the two verbs."""

FORMATS = ("text", "markdown", "json", "html")
SUFFIXES = {".txt": "text", ".md": "markdown", ".json": "json", ".html": "html"}
LINE = "history/small.jsonl"
RAN = "a run was here"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("base")
    make_project(base)
    return base


@pytest.fixture
def base(project: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return shutil.copytree(project, tmp_path / "base", symlinks=True)


@pytest.fixture
def none_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fresh seeds are taken as they lie there, and a mark is left beside them: what a run makes of
    a damaged folder is put to `run`."""

    def run(checkout: Checkout, data: Path, *arguments: str) -> None:
        with suppress(OSError):
            Path(arguments[arguments.index("--out") + 1], RAN).touch()

    monkeypatch.setattr(Checkout, "run", run)


@pytest.mark.parametrize("case", cases(0, PARTS))
@pytest.mark.usefixtures("none_runs")
def test_comparisons(case: int, base: Path) -> None:
    rng = chance(case, "comparison")
    folder = base / "project"
    done = _damage_runs_or_history(folder, base / "outside", rng)
    sides = [
        *rng.choice((("small", "other"), ("other", "small"), (LINE, "small"), ("other", LINE)))
    ]
    sides = [
        f"{side}@{rng.choice(_names(folder))}" if side == LINE and rng.random() < 0.5 else side
        for side in sides
    ]
    options = ["--format", rng.choice(FORMATS)]
    out = folder.parent / f"out{rng.choice([*SUFFIXES])}"
    options += ["--out", str(out)] if rng.random() < 0.5 else []
    options += ["--strict"] if rng.random() < 0.3 else []
    if rng.random() < (0.9 if "confirmation" in done else 0.2):
        options += ["--confirm", "--baseline-sources", ".", "--head-sources", "."]
    before = snapshot(base)
    outcome = command("compare", *sides, *options, folder=folder)
    told = f"{done}\n{outcome.output[-4000:]}"
    outcome.assert_fair((0, 1, 2, 4))
    if outcome.status == 2:
        outcome.assert_one_message()
    assert "nobody's business" not in outcome.output, told
    assert "\x1b" not in outcome.output, told
    assert "\u202e" not in outcome.output, told
    written = out.read_text() if out.exists() else ""
    assert bool(written) == ("--out" in options and outcome.status != 2), told
    if written and out.suffix == ".json":
        assert json.loads(written)["exit_status"] == outcome.status, told
    out.unlink(missing_ok=True)
    for name in ("small", "other"):
        confirmation = folder / "reports" / name / "confirmation"
        if confirmation.is_dir() and not confirmation.is_symlink():
            (confirmation / RAN).unlink(missing_ok=True)
    assert snapshot(base) == before, told


@pytest.mark.parametrize("case", cases(1, PARTS))
def test_sites(case: int, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "page", short_page)
    rng = chance(case, "site")
    folder, outside = base / "project", base / "outside"
    done = rng.choice((_damage_runs_or_history, _damage_site))(folder, outside, rng)
    arguments = ["publish", *rng.choice(((), ("small",), ("reports/other", "small"))), "--to"]
    arguments += [rng.choice(("site", "site", "site", "new", "new/er", "reports/small", "history"))]
    history = folder / LINE
    lines = history.read_bytes() if history.is_file() and not history.is_symlink() else b""
    before = _snapshots(base)
    foreign = {path: seen for path, seen in snapshot(folder).items() if "theirs" in path}
    temporary = {*base.rglob(".*.tmp")}
    outcome = command(*arguments, folder=folder)
    told = f"{done}\n{outcome}"
    outcome.assert_fair((0, 2, 3))
    if outcome.status == 2:
        outcome.assert_one_message()
    assert "nobody's business" not in outcome.output, told
    after = _snapshots(base)
    assert after["outside"] == before["outside"], told
    assert after["reports"] == before["reports"], told
    assert foreign.items() <= snapshot(folder).items(), told
    assert {*base.rglob(".*.tmp")} <= temporary, told
    if lines:
        assert history.read_bytes().startswith(lines), told
    if outcome.status == 2 and arguments[-1] != "site":
        assert not (folder / "new" / "index.html").exists(), told
    for page in filter(Path.is_file, (folder / "site").rglob("*.html")):
        seen = page.read_text(errors="replace")
        assert page.is_symlink() or "nobody's business" not in seen, told


@pytest.mark.parametrize("deed", sorted({deed.__name__ for deed in DEEDS}))
def test_every_damage_of_a_history_does_some(deed: str, project: Path, tmp_path: Path) -> None:
    (do,) = {found for found in DEEDS if found.__name__ == deed}
    history = tmp_path / LINE
    shutil.copytree(project / "project" / "history", history.parent)
    before = snapshot(history.parent)
    for case in range(5):
        do(history, project / "outside", chance(case, deed))
        if not history.is_file() or snapshot(history.parent) != before:
            return
    raise AssertionError(f"{deed} leaves everything as it is")


def _snapshots(base: Path) -> dict[str, Any]:
    places = {"outside": base / "outside", "reports": base / "project" / "reports"}
    return {name: snapshot(place) for name, place in places.items()}


def _damage_runs_or_history(folder: Path, outside: Path, rng: random.Random) -> str:
    run = rng.choice(("small", "other", "small/confirmation", "other/confirmation", "history"))
    if run == "history":
        return damage_history(folder / LINE, outside, rng)
    if run.endswith("confirmation") and rng.random() < 0.4:
        return _foreign_confirmation(folder / "reports" / run, outside, rng)
    return f"{run}: {damage(folder / 'reports' / run, outside, rng)}"


def _foreign_confirmation(place: Path, outside: Path, rng: random.Random) -> str:
    """Another run folder lies where fresh seeds are looked for, or none, or a link."""
    other = rng.choice(("../other/confirmation", "../small/confirmation", ".", "records", ""))
    if rng.random() < 0.3:
        shutil.rmtree(place)
        place.symlink_to(rng.choice((outside / "folder", outside / "folder", place.parent)))
        return f"{place.parent.name}: a link as confirmation"
    source = (place.parent / other).resolve()
    copy = shutil.copytree(source, place.with_name("copy"), ignore=lambda *_: ["confirmation"])
    shutil.rmtree(place)
    copy.rename(place) if other else shutil.rmtree(copy)
    return f"{place.parent.name}: {other} as confirmation"


def _damage_site(folder: Path, outside: Path, rng: random.Random) -> str:
    done = []
    for _ in range(rng.choice((1, 1, 2))):
        deed = rng.choice(SITE)
        done.append(deed.__name__)
        try:
            deed(folder / "site", outside, rng)
        except Exception:  # an earlier deed has left nothing of the kind
            done[-1] += " (nothing to do it to)"
    return ", ".join(done)


def a_link(site: Path, outside: Path, rng: random.Random) -> None:
    """A file or folder of the site is a link."""
    path = rng.choice([site, *site.rglob("*")])
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    path.symlink_to(
        rng.choice((outside / "folder", outside / "secret", outside / "none", path, "/dev/full"))
    )


def another_kind(site: Path, outside: Path, rng: random.Random) -> None:
    """A folder where a file should be, a file in place of a folder, a named pipe."""
    path = rng.choice([site, *site.rglob("*")])
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    rng.choice((path.mkdir, path.touch, lambda: os.mkfifo(path), lambda: None))()


def a_foreign_file(site: Path, outside: Path, rng: random.Random) -> None:
    """Somebody else's file or folder lies there."""
    place = rng.choice([path for path in (site, *site.rglob("*")) if path.is_dir()])
    name = rng.choice(
        ("theirs.html", ".theirs", "theirs\n\x1b[2J.txt", f".theirs.{os.getpid()}.tmp")
    )
    (place / name).write_text("theirs")


def a_manifest(site: Path, outside: Path, rng: random.Random) -> None:
    """Something else stands in the list of what the site holds."""
    path = site / "data" / "index.json"
    if path.is_symlink() or not path.is_file():
        return
    told = json.loads(path.read_text())
    for _ in range(rng.choice((1, 1, 3))):
        inside, key = rng.choice(places_of(told))
        inside[key] = rng.choice((*ODD, "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59-23:59"))
    path.write_text(json.dumps(told))


def some_bytes(site: Path, outside: Path, rng: random.Random) -> None:
    """A file has lost its end, or holds other bits."""
    path = rng.choice([path for path in site.rglob("*") if path.is_file()])
    content = bytearray(path.read_bytes())
    at = rng.randrange(len(content))
    path.write_bytes(content[:at] if rng.random() < 0.5 else content[:at] + b"\xff" + content[at:])


SITE: tuple[Callable[[Path, Path, random.Random], None], ...] = (
    a_link, another_kind, a_foreign_file, a_manifest, a_manifest, some_bytes,
)  # fmt: skip


def _names(folder: Path) -> list[str]:
    """What may be said of a line: what is there, and what is not."""
    return ["", "0", "f" * 64, "nowhere", "\x1b[2J", "é", "a" * 5000, *"0123456789abcdef"]
