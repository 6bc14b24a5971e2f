"""Tie groups: which of several are not told apart."""

from __future__ import annotations

from collections.abc import Iterable
from string import ascii_lowercase

Pair = tuple[int, int]


def tie_groups(size: int, separated: Iterable[Pair]) -> list[frozenset[int]]:
    """Return the largest groups in which no two are separated, by insertion and absorption (Piepho
    2004).

    Two share a group if and only if they are not separated. Not separated does not mean equal, and
    does not pass on: a and b, b and c may each be of a group without a and c being.

    Parameters
    ----------
    size
        Number of things, which are called 0 to size - 1.
    separated
        Pairs that were told apart, in any order.

    Returns
    -------
    list of frozenset
        By their smallest members, as are those that start alike by their next.
    """
    groups = {frozenset(range(size))} if size else set()
    for first, second in separated:
        for group in [group for group in groups if {first, second} <= group]:
            groups.remove(group)
            groups |= {group - {first}, group - {second}}
        groups = {group for group in groups if not any(group < other for other in groups)}
    return sorted(groups, key=sorted)


def compact_letters(size: int, separated: Iterable[Pair]) -> list[str]:
    """Return each one's letters, a letter a tie group: who shares one is not told apart.

    Examples
    --------
    >>> compact_letters(3, [(0, 2)])
    ['a', 'ab', 'b']
    """
    groups = tie_groups(size, separated)
    return [
        "".join(_letter(number) for number, group in enumerate(groups) if one in group)
        for one in range(size)
    ]


def rank_intervals(size: int, worse: Iterable[Pair]) -> list[Pair]:
    """Return within which ranks each one lies, the first being 1.

    Where all pairs are compared with control of the familywise error, these hold for all at once:
    nobody's rank is better than the number of those shown to be better, plus one (Al Mohamad et al.
    2022).

    Parameters
    ----------
    worse
        Pairs (worse, better) that were told apart.
    """
    below, above = [0] * size, [0] * size
    for loser, winner in set(worse):
        above[loser] += 1
        below[winner] += 1
    return [(1 + above[one], size - below[one]) for one in range(size)]


def _letter(number: int) -> str:
    """From a to z, then a′ to z′."""
    rounds, place = divmod(number, len(ascii_lowercase))
    return ascii_lowercase[place] + "′" * rounds
