"""The arguments that several verbs take, each in the same words wherever it stands."""

from __future__ import annotations

from metabench.bounds import LEAST_CONFIDENCE, MOST_CONFIDENCE
from metabench.verbs.argument_types import confidence, count, count_or_none
from metabench.verbs.parser import Parser


def add_suite(verb: Parser, profile: str) -> None:
    """Add SUITE and `--profile`; `profile` says what that chooses."""
    verb.add_argument(
        "suite",
        nargs="?",
        metavar="SUITE",
        help="name in the suites folder, or path to a TOML file (default: that of benchmark.toml)",
    )
    verb.add_argument("--profile", metavar="NAME", help=profile)


def add_selection(verb: Parser) -> None:
    """Add a suite, which of its cells, what they run on, and the run folder."""
    add_suite(verb, "a profile of the suite; has a run folder of its own")
    add_cells(verb)
    verb.add_argument("--out", metavar="FOLDER", help="the run folder (default: reports/SUITE)")


def add_run_folder(verb: Parser, name: str) -> None:
    """Add a run that is there, under `name` in the parsed options."""
    verb.add_argument(
        name,
        nargs="?",
        metavar="SUITE|FOLDER",
        help="a suite by name or path, or a run folder (default: the suite of benchmark.toml)",
    )
    verb.add_argument("--profile", metavar="NAME", help="the run of this profile of the suite")


def add_cells(verb: Parser) -> None:
    """Add which cells of a suite, and what they run on."""
    add_only(verb)
    add_seeds(verb)
    add_workers(verb)
    add_device(verb)
    add_compile(verb)
    verb.add_argument(
        "--engine",
        choices=("process", "inline"),
        default="process",
        help="what fits run on: a process for each (default), or inline, one after another in this "
        "process, for debuggers and where no processes can be started; there is no timeout then",
    )


def add_only(verb: Parser) -> None:
    """Add the restrictions to some of the cells."""
    verb.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="KEY=VALUE[,VALUE]",
        help="only these cells, such as algorithm=maml,fomaml; may be given more than once",
    )


def add_seeds(verb: Parser) -> None:
    """Add the restriction to some of the seeds."""
    verb.add_argument("--seeds", metavar="LIST", help="only these seeds: 0-4, or 0,2")


def add_workers(verb: Parser) -> None:
    """Add how many fits run at once."""
    verb.add_argument(
        "--workers",
        type=count_or_none,
        metavar="N",
        help="fits at once, 0 for as many as cores or one a GPU (default: that of benchmark.toml, "
        "or 0)",
    )


def add_device(verb: Parser) -> None:
    """Add what one fit runs on."""
    verb.add_argument(
        "--threads",
        type=count,
        metavar="N",
        help="threads of each fit (default: that of benchmark.toml, or 1)",
    )
    verb.add_argument(
        "--device",
        default="auto",
        help="auto (CUDA where there is any), cpu, cuda or cuda:N (default: auto)",
    )


def add_compile(verb: Parser) -> None:
    """Add which fits have their training steps compiled."""
    verb.add_argument(
        "--compile",
        choices=("never", "auto", "always"),
        help="compile the training steps of gradient-based methods into C++: always, or (auto) "
        "where that is repaid, in long trainings of small networks; compiled digits are others "
        "than eager ones "
        "(default: that of benchmark.toml, or never)",
    )


def add_no_report(verb: Parser) -> None:
    """Add that the verb ends without a report."""
    verb.add_argument(
        "--no-report", action="store_true", help="do not render the report at the end"
    )


def add_json(verb: Parser) -> None:
    """Add the form that programs read."""
    verb.add_argument("--json", action="store_true", help="print JSON, for programs")


def add_confidence(verb: Parser) -> None:
    """Add the level of the intervals."""
    verb.add_argument(
        "--confidence",
        type=confidence,
        metavar="C",
        help=f"of every interval, between {LEAST_CONFIDENCE} and {MOST_CONFIDENCE} (default: that "
        "of the run)",
    )


def add_outcome(verb: Parser) -> None:
    """Add where and how a verdict is written, and what it makes of the exit status."""
    verb.add_argument(
        "--format",
        choices=("text", "markdown", "json", "html"),
        default="text",
        help="of what is printed (default: text)",
    )
    verb.add_argument(
        "--out",
        action="append",
        default=[],
        metavar="FILE",
        help="write it there too, in the format that .txt, .md, .json or .html names; may be "
        "given more than once",
    )
    verb.add_argument(
        "--strict",
        action="store_true",
        help="exit status 4 where something is inconclusive or refused",
    )
