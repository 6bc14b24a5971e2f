"""The history: what a run leaves in it, and what becomes of lines that are none of it."""

import json
import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory

import pytest
import scipy.stats
from dated_run import COMMITS, run_at
from hypothesis import given
from hypothesis import strategies as st
from odd_values import ODD_VALUES, places

from metabench.errors import FolderError
from metabench.history import append, entry_of, read_history, read_verdicts
from metabench.identity import digest
from metabench.quantities import BY_NAME, SCORE
from metabench.tables import load

SUITE = "omniglot-small"
WALL = BY_NAME["wall_seconds"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Three runs at three commits. Do not write to them."""
    root = tmp_path_factory.mktemp("runs")
    return [run_at(root / str(day), day) for day in range(3)]


@pytest.fixture(scope="module")
def entries(folders):
    return [entry_of(load(folder)) for folder in folders]


def lines(folder):
    return (folder / f"{SUITE}.jsonl").read_bytes().splitlines(keepends=True)


def compared(folder, **changed):
    """A comparison as `metabench compare` writes it, of the run in a folder with an earlier one."""
    groups = [
        {"coordinates": dict(row.place), "verdict": "regressed" if row.is_reference else "fine"}
        for row in load(folder).rows.groups
    ]
    return {
        "kind": "compare",
        "baseline": {"suite": SUITE, "commits": ["0" * 12]},
        "head": {"suite": SUITE, "commits": [COMMITS[0][:12]]},
        "groups": groups,
    } | changed


def test_what_was_added_is_read_again_as_it_was(tmp_path, entries):
    for entry in entries:
        assert append(tmp_path, entry)
    assert read_history(tmp_path, SUITE).entries == tuple(entries)


def test_an_entry_tells_the_tables_numbers_and_the_interval_of_times(folders, entries):
    run = load(folders[0])
    for row, group in zip(run.rows.groups, entries[0].groups, strict=True):
        assert (group.group, group.place) == (row.group, row.place)
        assert group[SCORE] == row.score
        cells = [cell for cell in run.rows.cells if cell.group == row.group]
        assert [cell.score for cell in group.seeds] == [cell[SCORE] for cell in cells]
    cells = [cell for cell in run.rows.cells if cell.algorithm == "maml"]
    logs = [math.log(cell[WALL]) for cell in cells]
    middle, spread = mean(logs), stdev(logs) / len(logs) ** 0.5
    low, high = scipy.stats.t.interval(0.95, len(logs) - 1, middle, spread)
    told = next(group for group in entries[0].groups if group.algorithm == "maml")[WALL]
    assert (told.value, told.low, told.high) == pytest.approx([*map(math.exp, (middle, low, high))])
    assert entries[0].commit == COMMITS[0]
    assert entries[0].versions["torch"] == "2.15.0"


def test_the_same_run_again_adds_nothing(tmp_path, folders, entries):
    assert append(tmp_path, entries[0])
    before = lines(tmp_path)
    assert not append(tmp_path, entry_of(load(folders[0])))
    assert lines(tmp_path) == before


def test_another_run_of_the_same_cells_is_another_entry(tmp_path, entries):
    def slower(record):
        record["measured"]["wall_seconds"] *= 2

    again = entry_of(load(run_at(tmp_path / "again", 0, slower)))
    assert again.id != entries[0].id
    assert [group.recipe for group in again.groups] == [group.recipe for group in entries[0].groups]


def test_entries_stand_in_the_order_of_their_runs(tmp_path, entries):
    for entry in reversed(entries):
        append(tmp_path, entry)
    assert [entry.commit for entry in read_history(tmp_path, SUITE).entries] == [*COMMITS[:3]]


def test_a_cut_off_last_line_is_told_and_does_not_swallow_the_next_entry(tmp_path, entries):
    append(tmp_path, entries[0])
    append(tmp_path, entries[1])
    path = tmp_path / f"{SUITE}.jsonl"
    path.write_bytes(path.read_bytes()[:-100])
    found = read_history(tmp_path, SUITE)
    assert found.entries == (entries[0],)
    assert len(found.remarks) == 1
    assert f"{path}, line 2: it is cut off" in found.remarks[0]
    append(tmp_path, entries[2])
    assert read_history(tmp_path, SUITE).entries == (entries[0], entries[2])


def broken_lines():
    """What may stand in a line that is none of the history -> what is said of it."""

    def changed(**keys):
        return lambda good: json.dumps({**good, **keys}).encode()

    return {
        "no JSON": (lambda good: b"<<<<<<< HEAD", "no JSON"),
        "no UTF-8": (lambda good: b'{"\xff": 1}', "no JSON"),
        "no object": (lambda good: b"[1, 2]", "no entry"),
        "a newer schema": (changed(schema=99), "schema 1"),
        "another suite": (changed(suite="other"), "of suite 'other'"),
        "a number beyond bounds": (changed(confidence=1e200), "beyond all bounds"),
        "no number at all": (lambda good: b'{"schema": 1, "confidence": NaN}', "no JSON"),
        "a score that is text": (
            lambda good: json.dumps(good).replace('"value": 0', '"value": "0').encode(),
            "no JSON",
        ),
        "no commit's name": (changed(commit="../../etc"), "commit is not"),
        "no time": (changed(ended="yesterday"), "yesterday"),
        "a time without a zone": (changed(ended="2026-01-01T00:00:00"), "no time zone"),
        "no groups": (changed(groups=None), "groups is not"),
        "a group without coordinates": (changed(groups=[{}]), "groups[0].group is not"),
        "nesting without end": (lambda good: b"[" * 100_000, "nested too deeply"),
    }


@pytest.mark.parametrize("kind", broken_lines())
def test_a_line_that_is_no_entry_is_told_with_its_number_and_passed_over(tmp_path, entries, kind):
    append(tmp_path, entries[0])
    append(tmp_path, entries[1])
    first, last = lines(tmp_path)
    broken, said = broken_lines()[kind]
    path = tmp_path / f"{SUITE}.jsonl"
    path.write_bytes(first + broken(json.loads(first)) + b"\n" + last)
    found = read_history(tmp_path, SUITE)
    assert found.entries == tuple(entries[:2])
    assert len(found.remarks) == 1
    assert found.remarks[0].startswith(f"{path}, line 2: ")
    assert said in found.remarks[0]


@given(value=ODD_VALUES, at=st.integers(0, 10**6))
def test_an_odd_value_anywhere_in_a_line_is_no_more_than_a_remark(entries, value, at):
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{SUITE}.jsonl"
        append(Path(folder), entries[0])
        told = json.loads(path.read_text())
        *above, last = (found := places(told))[at % len(found)]
        place = told
        for key in above:
            place = place[key]
        place[last] = value
        path.write_text(json.dumps(told) + "\n")
        history = read_history(Path(folder), SUITE)
        assert len(history.entries) + len(history.remarks) == 1


def test_a_link_in_the_place_of_the_history_is_neither_read_nor_written(tmp_path, entries):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("")
    (tmp_path / f"{SUITE}.jsonl").symlink_to(elsewhere)
    with pytest.raises(FolderError, match="symbolic link"):
        append(tmp_path, entries[0])
    assert elsewhere.read_text() == ""


def test_entries_that_are_added_at_once_are_all_there(tmp_path, entries):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda entry: append(tmp_path, entry), [*entries] * 4))
    found = read_history(tmp_path, SUITE)
    assert found.entries == tuple(entries)
    assert found.remarks == ()


def test_a_full_disk_takes_nothing_from_the_history(tmp_path, folders):
    """A limit of the system on the size of a file stands in for the disk."""
    program = f"""
import resource, signal
from pathlib import Path
from metabench.errors import MetabenchError
from metabench.history import append, entry_of, read_history
from metabench.tables import load
first, second = (entry_of(load(Path(folder))) for folder in {[str(f) for f in folders[:2]]})
here = Path({str(tmp_path)!r})
append(here, first)
path = here / "{SUITE}.jsonl"
before = path.read_bytes()
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 500, len(before) + 500))
try:
    append(here, second)
except MetabenchError as error:
    assert "cannot be written" in str(error)
else:
    raise SystemExit("it was written")
assert path.read_bytes() == before
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_run_with_missing_cells_has_no_entry(tmp_path):
    assert entry_of(load(run_at(tmp_path, 0, change={("maml", 1, 0): "missing"}))) is None


def test_a_failed_cell_is_a_result_and_has_an_entry(tmp_path):
    entry = entry_of(load(run_at(tmp_path, 0, change={("maml", 1, 0): "failed"})))
    maml = next(group for group in entry.groups if group.algorithm == "maml")
    assert [cell.outcome for cell in maml.seeds] == ["failed", "completed", "completed"]
    assert maml.lost == 1


def test_what_a_hostile_record_calls_its_commit_is_no_commit(tmp_path):
    assert entry_of(load(run_at(tmp_path, 0, commit="../../../etc"))).commit is None


def test_verdicts_of_a_comparison_are_added_once(tmp_path, folders, entries):
    run = run_at(tmp_path / "run", 0)
    (run / "compare.json").write_text(json.dumps(compared(run)))
    kept = tmp_path / "history"
    entry = entry_of(load(run))
    append(kept, entry)
    assert append(kept, read_verdicts(run, entry))
    assert not append(kept, read_verdicts(run, entry))
    assert not append(kept, entry)  # the same run without its verdicts takes none away
    (found,) = read_history(kept, SUITE).entries
    assert [group.algorithm for group in found.regressed] == ["maml"]
    assert found.baseline == ("0" * 12,)
    assert digest(dict(found.regressed[0].place))[:12] == found.regressed[0].group


def test_a_comparison_of_a_commit_with_itself_says_nothing_of_the_trend(tmp_path):
    run = run_at(tmp_path, 0)
    told = compared(run, baseline={"suite": SUITE, "commits": [COMMITS[0][:12]]})
    (run / "compare.json").write_text(json.dumps(told))
    entry = entry_of(load(run))
    assert read_verdicts(run, entry) == entry


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"head": {"suite": SUITE, "commits": ["f" * 12]}}, "another run"),
        ({"head": {"suite": "other", "commits": [COMMITS[0][:12]]}}, "another run"),
        ({"kind": "ab"}, "no comparison"),
        ({"groups": [{"verdict": "fine"}]}, "no comparison"),
        ({"groups": "many"}, "no comparison"),
    ],
)
def test_a_comparison_that_is_not_about_the_run_gives_no_verdict(tmp_path, changed, said):
    run = run_at(tmp_path, 0)
    (run / "compare.json").write_text(json.dumps(compared(run, **changed)))
    with pytest.raises(FolderError, match=said):
        read_verdicts(run, entry_of(load(run)))
