"""Ctrl-C and termination, told apart from a KeyboardInterrupt or SystemExit that somebody's code raises."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import NoReturn


class Interrupted(KeyboardInterrupt):
    """Ctrl-C."""


class Terminated(SystemExit):
    """A signal that asks this process to end."""


def listen() -> None:
    """Let signals raise the exceptions above. Ctrl-C that is ignored, as behind `nohup`, stays so."""
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupt)


def is_wanted(error: BaseException) -> bool:
    """Whether the user wants this process to stop. In a process that does not `listen`, such as a notebook's, every KeyboardInterrupt may be one."""
    if isinstance(error, KeyboardInterrupt):
        return isinstance(error, Interrupted) or signal.getsignal(signal.SIGINT) not in (_interrupt, signal.SIG_IGN)
    return isinstance(error, Terminated)


def _interrupt(signum: int, frame: FrameType | None) -> NoReturn:
    raise Interrupted


def _terminate(signum: int, frame: FrameType | None) -> NoReturn:
    print("\nmetabench: terminated; what is finished is kept, and the same command goes on from there", file=sys.stderr)
    raise Terminated(128 + signum)
