"""The command line as a user meets it: help, wrong words, and verbs that need no torch."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from workshop import Workshop, is_root

import metabench
from metabench import registry
from metabench.cli import main
from metabench.records import RecordStore, read_cells
from metabench.records.listing import write_cells
from metabench.verbs.listing import KINDS

VERBS = (
    *("plan", "run", "freeze", "status", "report", "publish", "list", "verify"),
    *("compare", "ab", "data", "doctor", "time"),
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A project with a run in which one algorithm failed."""
    workshop = Workshop(tmp_path_factory.mktemp("project"))
    path = workshop.suite("profiled", "none")
    path.write_text(path.read_text() + "[profiles.short]\ntrain.iterations = 2\n")
    workshop.suite("mixed", "none", "raise")
    workshop.run("mixed")
    return workshop


@pytest.fixture
def in_project(finished: Workshop, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    monkeypatch.chdir(finished.folder)
    return finished


def exit_status(*arguments: str) -> int:
    try:
        return main(arguments)
    except SystemExit as stop:
        return int(str(stop.code))


@pytest.mark.parametrize(
    "verb",
    [(), *((verb,) for verb in VERBS), ("data", "prepare"), ("data", "check"), ("data", "list")],
)
def test_every_verb_has_help_with_an_example(
    verb: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_status(*verb, "--help") == 0
    text = capsys.readouterr().out
    assert "example" in text
    assert f"metabench {' '.join(verb)}".strip() in text


def test_every_kind_can_be_listed_alone(capsys: pytest.CaptureFixture[str]) -> None:
    for kind in KINDS:
        assert exit_status("list", kind, "--help") == 0
    assert f"{{{','.join(KINDS)}}}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("rnu",), r"'rnu': expected plan, run, .* or doctor \(did you mean 'run'\?\)"),
        (("run", "--engine", "thread"), r"--engine: 'thread': expected process or inline\n"),
        (
            ("run", "--worker", "2"),
            "no such option or argument: --worker .*did you mean '--workers'",
        ),
        (("plan", "--jsn"), "did you mean '--json'"),
        (("run", "x", "y"), "no such option or argument: y"),
        (("list", "dataset"), "did you mean 'datasets'"),
        (("data",), "required: ACTION"),
        (("data", "chek", "omniglot"), "did you mean 'check'"),
        (("run", "--workers", "many"), "'many': expected a whole number, at least 0"),
        (("run", "--threads", "0"), "'0': expected a whole number, at least 1"),
        (("run", "--timeout", "-1"), "'-1': expected a number of seconds, greater than 0"),
        (("run", "--timeout", "nan"), "expected a number of seconds, greater than 0"),
        (("run", "--stale", "keeep"), "did you mean 'keep'"),
        (("report", "--confidence", "95"), "expected a number between 0.5 and 0.9999"),
    ],
)
def test_wrong_words_are_told_with_the_nearest_right_one(
    arguments: tuple[str, ...], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_status(*arguments) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert re.search(complaint, streams.err, flags=re.DOTALL)
    assert "Traceback" not in streams.err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("run", "mixd"), "did you mean 'mixed'"),
        (("plan", "mixed", "--device", "tpu"), "--device tpu: expected auto, cpu, cuda or cuda:N"),
        (("plan", "mixed", "--device", "cuda:99"), "--device cuda:99: torch finds"),
        (
            ("run", "mixed", "--threads", "2000"),
            "--threads 2000: expected a whole number, at least 1, at most 1,024",
        ),
        (("run", "mixed", "--out", ""), "--out '': expected a folder"),
        (("plan", "mixed", "--seeds", ""), "seeds '': expected seeds such as 0-4"),
        (("run", "suites"), "'suites': no such suite"),
        (("run", "suites/mixed"), "no such file (did you mean 'suites/mixed.toml'?)"),
        (("run", "reports/mixed"), "'reports/mixed': is a folder, and a suite is a TOML file"),
        (
            ("status", "reports/mixed/cells.json"),
            "'reports/mixed/cells.json': is another file, and a suite is a TOML file",
        ),
        (("report", "reports/mixed/records"), "is no run folder: it has no cells.json"),
        (("report", "a/" * 4000), "cannot be read: File name too long"),
        (
            ("plan", "mixed", "--out", "benchmark.toml"),
            "benchmark.toml/records: cannot be read: Not a directory",
        ),
        (
            ("run", "mixed", "--out", "benchmark.toml"),
            "benchmark.toml: cannot be written: Not a directory",
        ),
        (("run", "mixed", "--out", "suites"), "has files in it and is no run folder"),
        (("plan", "mixed", "--only", "algorthm=none"), "did you mean 'algorithm'"),
        (("run", "mixed", "--seeds", "a-b"), "expected seeds such as"),
        (("status", "mixd"), "did you mean 'mixed'"),
        (("status", "suites"), "is no run folder: it has no cells.json"),
        (
            ("report", "profiled", "--profile", "short"),
            "`metabench run profiled --profile short` begins one",
        ),
        (("data", "check", "sinusoidd"), "did you mean 'sinusoid'"),
        (("data", "prepare", "omniglott"), "did you mean 'omniglot'"),
    ],
)
def test_errors_of_use_are_one_message(
    in_project: Workshop,
    arguments: tuple[str, ...],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = sorted(in_project.folder.rglob("*"))
    assert exit_status(*arguments) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("metabench: ")
    assert complaint in errors
    assert [
        path for path in sorted(in_project.folder.rglob("*")) if "__pycache__" not in path.parts
    ] == [path for path in before if "__pycache__" not in path.parts]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"metabench {metabench.__version__}\n"


@pytest.mark.usefixtures("in_project")
def test_list_shows_everything_with_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    text = capsys.readouterr().out
    for line in (
        "suites:",
        "  mixed",
        "methods:",
        "  misbehaving  First-order MAML with a deed",
        "datasets:",
        "  sinusoid",
        "models:",
        "  conv4",
    ):
        assert line in text
    assert main(["list", "models"]) == 0
    assert capsys.readouterr().out.startswith("conv4")


@pytest.mark.usefixtures("in_project")
def test_status_counts_outcomes_and_shows_errors(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("mixed", "reports/mixed", "suites/mixed.toml"):
        assert main(["status", name]) == 3
        text = capsys.readouterr().out
        assert "2 of 4 cells done, 2 failed" in text
        assert re.search(
            "failed: ValueError: the deed was done\n    2 cells: "
            "raise-sinusoid-5s-s0-[0-9a-f]{12}, raise-",
            text,
        )


def test_plan_counts_states_and_expects_time(
    in_project: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", "mixed", "--device", "cpu", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["cells"] == {"done": 2, "stale": 0, "failed": 2, "missing": 0}
    assert (facts["fits"], facts["fits_to_run"], facts["expected_seconds"]) == (2, 1, None)
    assert {fit["init_seed"] for fit in facts["plan"]} == {fit["seed"] for fit in facts["plan"]}
    in_project.suite("longer", "none", iterations=40)
    assert main(["plan", "longer", "--device", "cpu", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["cells"]["missing"] == 2
    assert 0 < facts["expected_seconds"] < 600
    assert main(["plan", "longer", "--device", "cpu"]) == 0
    assert "expected time: unknown" not in capsys.readouterr().out
    assert main(["plan", "mixed", "--device", "cpu", "--threads", "2"]) == 0
    assert "stale because: threads 1 -> 2" in capsys.readouterr().out
    assert not (in_project.folder / "reports" / "longer").exists()


@pytest.mark.slow
def test_data_says_where_a_dataset_stands(
    in_project: Workshop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("METABENCH_DATA", raising=False)
    assert main(["data", "list"]) == 0
    text = capsys.readouterr().out
    assert re.search(r"^sinusoid \(suites .*mixed, profiled.*\): ready$", text, flags=re.MULTILINE)
    assert "omniglot: not ready: dataset 'omniglot': no drawings in the data folder" in text
    assert "`metabench data check omniglot` says what to do" in text
    assert main(["data", "check", "sinusoid"]) == 0
    assert re.fullmatch(
        r"sinusoid \(suites .*mixed, profiled.*\): ready, made on the fly\n",
        capsys.readouterr().out,
    )
    assert main(["data", "check", "omniglot"]) == 3
    streams = capsys.readouterr()
    assert streams.out == "omniglot: not ready\n"
    assert str(in_project.folder / "data") in streams.err


USES = """
[grid]
algorithms = "protonet"
datasets = ["omniglot", "{label}"]
ways = 2
shots = 1
seeds = 3
[train]
iterations = 1
[datasets.omniglot]
split = "alphabet"
[datasets.{label}]
dataset = "omniglot"
{settings}
"""


@pytest.fixture
def with_data(
    tmp_path: Path, omniglot_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A project whose suites use one dataset in three ways; the small made-up Omniglot serves two
    of them."""
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "first.toml").write_text(
        USES.format(label="turned", settings='split = "alphabet"\nrotations = "train"')
    )
    (tmp_path / "suites" / "second.toml").write_text(
        USES.format(label="published", settings='split = "vinyals"')
    )
    (tmp_path / "suites" / "broken.toml").write_text("grid = 3")
    monkeypatch.setenv("METABENCH_DATA", str(omniglot_folder))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    registry.use_plugins({}, tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("with_data")
def test_a_dataset_is_judged_as_the_suites_use_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", "omniglot"]) == 3
    streams = capsys.readouterr()
    lines = streams.out.splitlines()
    assert [re.sub("[0-9a-f]{64}", "DIGEST", line) for line in lines] == [
        'omniglot (suites first, second, split = "alphabet"): ready, content DIGEST',
        'omniglot (suite first, split = "alphabet", rotations = "train"): ready, content DIGEST',
        "omniglot (suite second): not ready",
        "    24 of 964 characters in images_background",
        "    12 of 659 characters in images_evaluation",
        "    Angelic has 6 of 20 characters, Braille has 6 of 26 characters, Greek has 6 of 24 "
        "characters, Hebrew has 6 of 22 characters, "
        "Latin has 6 of 26 characters and 1 more",
    ]
    assert streams.err.count("the split needs 1028 train + 172 validation + 423 test classes") == 1
    assert main(["data", "check", "turned"]) == 0
    assert capsys.readouterr().out.splitlines() == [lines[1], *lines[3:]]
    assert main(["data", "check", "published"]) == 3
    assert main(["data", "check", "turnt"]) == 2
    assert (
        "there are omniglot, published, sinusoid, turned (did you mean 'turned'?)"
        in capsys.readouterr().err.replace("glyphs, ", "")
    )


@pytest.mark.slow
@pytest.mark.usefixtures("with_data")
def test_list_and_doctor_judge_datasets_alike(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list"]) == 0
    text = capsys.readouterr().out
    assert 'omniglot (suites first, second, split = "alphabet"): ready\n' in text
    assert "\n    24 of 964 characters in images_background\n" in text
    assert (
        "omniglot (suite second): not ready: dataset 'omniglot', split = 'vinyals': the split needs"
        in text
    )
    assert text.count("source: Lake et al. 2015") == 1
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert re.search(
        r'ok   data omniglot +ready \(suites first, second, split = "alphabet"\)\n', text
    )
    assert re.search(r"ok   data omniglot +24 of 964 characters in images_background\n", text)
    assert re.search(
        r"note data omniglot +not ready \(suite second\)\n +-> dataset 'omniglot', split = "
        r"'vinyals': the split needs",
        text,
    )
    assert re.search(r"ok   data sinusoid +ready\n", text)


@pytest.mark.slow
@pytest.mark.usefixtures("with_data")
def test_a_plugin_that_cannot_be_used_hides_no_other_dataset(
    with_data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (with_data / "benchmark.toml").write_text(
        '[plugins.datasets]\naway = "not_there:Away"\nrude = "rude_data:Rude"\n'
    )
    (with_data / "rude_data.py").write_text(
        "from metabench.datasets.sinusoid import Sinusoid\nclass Rude(Sinusoid):\n    def "
        "load(self, root):\n        raise KeyError('rude')\n"
    )
    assert main(["data", "list"]) == 0
    text = capsys.readouterr().out
    assert "away: cannot be used: dataset 'away' (not_there:Away) cannot be imported" in text
    assert (
        "rude: not ready: dataset 'rude' (rude_data:Rude) raised KeyError: 'rude' (rude_data.py, "
        "line 4)" in text
    )
    assert "sinusoid: ready" in text
    assert main(["doctor"]) == 0
    assert "data sinusoid" in capsys.readouterr().out


@pytest.mark.slow
def test_missing_data_is_told_once(
    with_data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METABENCH_DATA", str(with_data / "nowhere"))
    assert main(["run", "first", "--device", "cpu", "--no-report"]) == 3
    end = capsys.readouterr().out.partition("0 cells finished")[2]
    assert (
        "failed: 6 fits (6 cells): DataError: dataset 'omniglot': no drawings in the data folder"
        in end
    )
    assert end.count("/images_background/<Alphabet>/<characterNN>/*.png   (964 characters)") == 1
    assert re.search(
        r"\n    fits: protonet-\S+-2w1s-s\d(, protonet-\S+-2w1s-s\d){4} and 1 more\n", end
    )
    assert "metabench data check NAME" not in end
    assert main(["status", "first"]) == 3
    assert "    6 cells: protonet-omniglot-2w1s-s0-" in capsys.readouterr().out


@pytest.mark.slow
def test_a_project_is_found_from_a_folder_within(
    in_project: Workshop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = in_project.folder / "notes" / "today"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    for arguments in (["status", "mixed"], ["plan", "mixed", "--json"], ["list", "suites"]):
        main(arguments)
        streams = capsys.readouterr()
        assert streams.err == f"project: {in_project.folder}\n"
        assert "mixed" in streams.out
    in_project.suite("within", "none")
    assert main(["run", "within", "--device", "cpu", "--no-report", "--out", "here"]) == 0
    assert (folder / "here" / "cells.json").is_file()
    assert main(["status", "here"]) == 0
    # it has no run in the project's reports
    assert main(["status", "../../suites/within.toml"]) == 2
    assert "has not been run yet" in capsys.readouterr().err


def test_doctor_goes_on_where_it_can(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "suites").write_text("")
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert re.search(rf"ok   project +{tmp_path}, without a benchmark\.toml", text)
    assert "the suites cannot be read: Not a directory" in text
    assert "data sinusoid" in text
    (tmp_path / "benchmark.toml").write_text("threads = 0")
    assert main(["doctor"]) == 2
    text = capsys.readouterr().out
    assert "BAD  project" in text
    assert "benchmark.toml:1: threads = 0: expected a whole number, at least 1" in text


@pytest.mark.slow
def test_results_without_their_arrays_are_made_again(
    in_project: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    in_project.suite("halved", "none")
    in_project.run("halved")
    folder = in_project.folder / "reports" / "halved"
    first, second = sorted((folder / "records").glob("*.npz"))
    first.unlink()
    second.write_bytes(b"")
    told = re.compile(
        "is damaged: its arrays are (missing|not what was written). `metabench run` makes it again"
    )
    assert main(["status", "halved"]) == 3
    text = capsys.readouterr().out
    assert "0 of 2 cells done, 2 missing" in text
    assert len(told.findall(text)) == 2
    assert main(["plan", "halved", "--device", "cpu", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["cells"]["missing"] == len(facts["damaged"]) == 2
    assert main(["report", "halved"]) == 0
    assert "its arrays are missing" in (folder / "index.html").read_text()
    assert main(["run", "halved", "--device", "cpu", "--no-report"]) == 0
    assert "2 cells finished, 0 done before" in capsys.readouterr().out
    assert main(["status", "halved"]) == 0
    assert first.stat().st_size
    assert second.stat().st_size


def test_a_suite_is_listed_in_one_line_whatever_its_title(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "a.toml").write_text('title = "two\\nlines and \\u001b[31m red"')
    (tmp_path / "suites" / "b.toml").write_text("title = " + "[" * 20_000)
    (tmp_path / "suites" / "c.toml").write_bytes(b"\xff")
    monkeypatch.chdir(tmp_path)
    assert main(["list", "suites"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "a  two lines and  [31m red",
        "b  suites/b.toml: tables or lists are nested too deeply",
        "c  suites/c.toml: is not UTF-8 text (byte 0); save it as UTF-8",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_closed_streams_are_no_error(in_project: Workshop, closed: str) -> None:
    redirect = {"stdout": ">&-", "stderr": "2>&-"}[closed]
    command = f'"{sys.executable}" -m metabench list suites {redirect}'
    done = subprocess.run(
        ["sh", "-c", command], cwd=in_project.folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert done.stderr == ""


def test_what_a_terminal_cannot_show_is_shown_by_its_number(tmp_path: Path) -> None:
    folder = tmp_path / "caf\udce9 \u2713"  # the first is a byte that is no UTF-8
    folder.mkdir()
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-m", "metabench", "list", "suites"],
        cwd=folder,
        env=environment,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"caf\udce9 \u2713/suites" in done.stdout


def test_doctor_finds_all_well_and_says_what_to_do(
    in_project: Workshop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("METABENCH_DATA", raising=False)
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    for word in ("python", "torch", "threads", "reports", "suite mixed", "data omniglot", "->"):
        assert word in text
    (in_project.folder / "suites" / "broken.toml").write_text("grid = 3\n")
    try:
        assert main(["doctor"]) == 0
        assert "suite broken" in capsys.readouterr().out
    finally:
        (in_project.folder / "suites" / "broken.toml").unlink()


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", [["list"], ["status", "mixed"], ["--help"], ["run", "--help"]]
)
def test_quick_verbs_never_import_what_is_large(in_project: Workshop, arguments: list[str]) -> None:
    code = (
        "import sys, metabench.cli\n"
        f"try: metabench.cli.main({arguments!r})\n"
        "except SystemExit: pass\n"
        "sys.exit(', '.join({'torch', 'pandas', 'numpy', 'scipy'} & {*sys.modules}) or 0)"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=in_project.folder,
            stdout=subprocess.DEVNULL,
            check=False,
        ).returncode
        == 0
    )


def test_the_door_imports_nothing() -> None:
    code = (
        "import sys; before = set(sys.modules); import metabench; print(len({m for m in "
        "set(sys.modules) - before if m.startswith('metabench')}))"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "1"
    )


def test_a_reader_that_goes_away_is_no_error(in_project: Workshop) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "metabench", "list"],
        cwd=in_project.folder,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert done.stderr == ""
    assert done.returncode == 141


def test_run_reports_failures_with_their_logs(
    in_project: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "mixed", "--device", "cpu", "--no-report"]) == 3
    text = capsys.readouterr().out
    assert "0 cells finished, 2 done before" in text
    assert "failed: raise-sinusoid-5s-s0 (2 cells): ValueError: the deed was done\n" in text
    assert f"log: {in_project.folder / 'reports' / 'mixed' / 'records'}" in text
    assert "Traceback" not in text


@pytest.mark.slow
def test_a_finished_run_ends_with_a_report_and_nothing_to_do(
    in_project: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    in_project.suite("well", "none")
    for cells in ("2 cells finished, 0 done before", "0 cells finished, 2 done before"):
        assert main(["run", "well", "--device", "cpu"]) == 0
        text = capsys.readouterr().out
        assert cells in text
        assert f"report: {in_project.folder / 'reports' / 'well' / 'index.html'}" in text
    assert main(["report", "reports/well"]) == 0
    assert (in_project.folder / "reports" / "well" / "index.html").stat().st_size > 1000


@pytest.mark.slow
def test_the_folder_keeps_what_to_run_again_and_its_own_confidence(
    in_project: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "profiled", "--profile", "short", "--device", "cpu", "--no-report"]) == 0
    folder = in_project.folder / "reports" / "profiled-short"
    described = read_cells(folder)
    assert (described["suite"], described["argument"], described["profile"]) == (
        "profiled-short",
        "profiled",
        "short",
    )
    cells = described.pop("cells")
    write_cells(folder, {**described, "confidence": 0.8}, cells)
    for arguments, level in (
        (("report", str(folder)), "80 %"),
        (("report", str(folder), "--confidence", "0.7"), "70 %"),
    ):
        assert main(arguments) == 0
        assert level in (folder / "index.html").read_text()


def test_data_that_cannot_be_written_is_told(
    in_project: Workshop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METABENCH_DATA", str(in_project.folder / "benchmark.toml"))
    assert main(["data", "prepare", "sinusoid"]) == 3
    assert "benchmark.toml: cannot be written" in capsys.readouterr().err


def test_a_bad_suite_writes_nothing(
    in_project: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    path = in_project.suite("bad", "none")
    path.write_text(path.read_text().replace("tasks_per_batch", "task_per_batch"))
    try:
        assert main(["run", "bad"]) == 2
        assert "did you mean 'tasks_per_batch'" in capsys.readouterr().err
        assert not (in_project.folder / "reports" / "bad").exists()
    finally:
        path.unlink()


@pytest.fixture
def read_only_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in which nothing can be written, for root neither."""
    folder = tmp_path / "fixed"
    folder.mkdir()
    if not is_root():
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o755)
    elif (
        subprocess.run(["chattr", "+i", str(folder)], capture_output=True, check=False).returncode
        == 0
    ):
        yield folder
        subprocess.run(["chattr", "-i", str(folder)], check=True)
    else:
        yield Path("/sys/kernel")  # refuses even root


@pytest.mark.usefixtures("in_project")
def test_a_read_only_folder_is_refused_before_anything_runs(
    read_only_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "mixed", "--device", "cpu", "--out", str(read_only_folder)]) == 2
    streams = capsys.readouterr()
    assert streams.err.startswith(f"metabench: {read_only_folder}: cannot be written: ")
    assert streams.out == ""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = (
        is_root()
        and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(disk)],
            capture_output=True,
            check=False,
        ).returncode
        == 0
    )
    if not mounted:
        pytest.skip("mounting a small disk needs root; tests/test_records.py has a stand-in")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_stops_the_run_and_leaves_whole_records(
    in_project: Workshop, small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    in_project.suite("many", "none", seeds=12)
    assert (
        main(["run", "many", "--device", "cpu", "--no-report", "--out", str(small_disk / "run")])
        == 3
    )
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert "No space left on device" in errors
    store = RecordStore(small_disk / "run")
    scan = store.scan()
    assert scan.records
    assert not scan.damaged
    assert all(dict(store.arrays(path)) for (path,) in store.index().values())
    assert not list((small_disk / "run").rglob("*.tmp"))
