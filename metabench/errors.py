"""Every error a user can meet, in one tree.

The command line turns a `MetabenchError` into one message on stderr and the exit status that its
class names. Beside it only Ctrl-C and what the system raises are caught there.
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable


class MetabenchError(Exception):
    """Root of the tree: something a user can understand and mend."""

    exit_status = 2


class ConfigError(MetabenchError):
    """A suite, `benchmark.toml`, or an option says something impossible. Nothing has been run or
    written."""


class PluginError(ConfigError):
    """A method, a dataset or a model, somebody's own mostly, cannot be imported, raised, or does
    not keep its contract.

    Attributes
    ----------
    group, name
        The one at fault, as it is registered; empty where it is known by its class alone.
    """

    def __init__(self, message: str, group: str = "", name: str = "") -> None:
        super().__init__(message)
        self.group = group
        self.name = name


class DataError(MetabenchError):
    """A dataset is missing, incomplete or not what it was; the message says which files to put
    where."""

    exit_status = 3


class FolderError(MetabenchError):
    """A run folder cannot be used: read-only, locked by another run, full, or not a run folder."""


class UnwritableError(FolderError):
    """A record could not be written while a run was under way: the disk is full, or the folder has
    vanished. Nothing half-written is left."""

    exit_status = 3


class StartError(MetabenchError):
    """Fits cannot be run here: no process can be started, or torch cannot be imported."""


class DivergedError(MetabenchError):
    """The training of a fit whose weights alone are wanted diverged, so that there are none."""


class NeedError(MetabenchError):
    """A fit that another one needs has left no weights."""


class StaleError(MetabenchError):
    """Records were made under other conditions, and the user has not said what to do about them."""


class RecordError(MetabenchError):
    """A record on disk is damaged."""


class UnreadableRecordError(RecordError):
    """A record may be whole and cannot be read here: of a newer schema, or without permission.
    Nothing may take its place."""


LONGEST_WORD, MOST_WORDS = 100, 1000
"""Letters of a word, and words to choose from, among which the nearest is looked for."""

MESSAGE, TRACEBACK = 2_000, 20_000
"""Characters of an exception's message, and of its traceback, that are kept."""


def message_of(error: BaseException) -> str:
    """Return what an exception says, whatever becomes of asking it: plugins raise exceptions of
    their own."""
    try:
        return shortened(str(error), MESSAGE)
    except (Exception, SystemExit, KeyboardInterrupt) as broken:
        return f"(its message cannot be read: asking for it raised {type(broken).__name__})"


def shortened(text: str, limit: int) -> str:
    """Return a text, or, of one with more characters than `limit`, its first and last ones and how
    many there are in all."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n... ({len(text):,} characters in all) ...\n{text[-half:]}"


def nearest(word: str, words: Iterable[str]) -> str:
    """Return ` (did you mean 'x'?)` for the candidate nearest to `word`, or an empty string when
    none is near.

    Nobody has misspelt a word of hundreds of letters, nor looks among thousands: finding the
    nearest would take long.
    """
    candidates = [word for word in itertools.islice(words, MOST_WORDS) if len(word) <= LONGEST_WORD]
    close = (
        difflib.get_close_matches(word, candidates, n=1, cutoff=0.6)
        if len(word) <= LONGEST_WORD
        else []
    )
    return f" (did you mean '{close[0]}'?)" if close else ""


def no_such(what: str, name: str, known: Iterable[str]) -> str:
    """Return the complaint about a name that nothing of this kind has, with those that there
    are."""
    known = list(known)
    there = ", ".join(known) or "none"
    return f"no {what} is called '{name}'; there are {there}{nearest(name, known)}"


def some(names: Iterable[str], shown: int = 5) -> str:
    """Return the first few of these names in one line, and how many more there are."""
    names = list(names)
    return ", ".join(names[:shown]) + (
        f" and {len(names) - shown} more" if len(names) > shown else ""
    )
