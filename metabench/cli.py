"""The command line: parse, call the verb, and turn whatever comes of it into words and an exit
status. A verb is a function in `metabench.verbs`, imported when it is called."""

from __future__ import annotations

import atexit
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from metabench.errors import MetabenchError, message_of
from metabench.terminal.printing import shown_streams
from metabench.terminal.signals import GOES_ON, stopped_well
from metabench.text import one_line
from metabench.verbs.command_line import command_line

TRACEBACK = "METABENCH_TRACEBACK"
"""A variable of the environment under which an unforeseen error is shown in full."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; return its exit status."""
    with stopped_well(), shown_streams():
        return _status(list(sys.argv[1:] if arguments is None else arguments))


def command() -> NoReturn:
    """The console script: `main`, and then the end, for which no thread is waited that a plugin may
    have left behind."""
    status = main()
    atexit._run_exitfuncs()
    os._exit(status)


def _status(arguments: Sequence[str]) -> int:
    try:
        status = _dispatch(arguments)
        sys.stdout.flush()
    except MetabenchError as error:
        print(f"metabench: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print(f"\nmetabench: stopped; {GOES_ON}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as `head` does
        return 141
    # what no verb foresaw: a folder without permission, a path that is too long, a full terminal
    except OSError as error:
        place = f"{one_line(error.filename)}: " if error.filename else ""
        print(f"metabench: {place}{one_line(error.strerror or error)}", file=sys.stderr)
        return 2
    except Exception as error:  # a bug of ours, or a plugin's that has changed what others rely on
        if os.environ.get(TRACEBACK):
            raise
        frame = traceback.extract_tb(error.__traceback__)[-1]
        what = (
            f"unforeseen {type(error).__name__}: {one_line(message_of(error))} "
            f"({frame.filename}, line {frame.lineno})"
        )
        print(
            f"metabench: {what}. What is finished is kept; {TRACEBACK}=1 shows where it came from",
            file=sys.stderr,
        )
        return 2
    return status


def _dispatch(arguments: Sequence[str]) -> int:
    top = command_line()
    try:
        options = top.parse(arguments)
    except SystemExit as stop:  # argparse has said what there is to say
        return int(str(stop.code))
    if options.version:
        from metabench import __version__

        print(f"metabench {__version__}")
        return 0
    if options.verb is None:
        top.print_help()
        return 2
    module, _, function = options.call.partition(":")
    status: int = getattr(importlib.import_module(f"metabench.verbs.{module}"), function)(options)
    return status
