"""The checkpoint of a training, from which it goes on after an interruption.

What is kept of a fit says what it follows from (`Origin`) and what it took (`Cost`): under other
conditions, or on other data, the same fit has other bits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from metabench.experiment import tensor_files
from metabench.experiment.tensor_files import Warn
from metabench.io.shapes import NUMBER, absent, misshapen
from metabench.io.untrusted import impossible

_COST = {"seconds": NUMBER, "peaks": {"*": int}}


@dataclass(frozen=True)
class Origin:
    """What the numbers of a file follow from.

    Attributes
    ----------
    fit
        Its id.
    data
        Content digest of the training data, None where there is no content.
    provenance
        Where they were made, `conditions` among it; empty where that is not known.
    """

    fit: str
    data: str | None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def conditions(self) -> str | None:
        """Digest of the conditions, None where they are not known."""
        return _conditions_digest(self.provenance)

    def gives(self, facts: Mapping[str, Any], *, any_conditions: bool = False) -> bool:
        """Whether a file with these facts holds what would be made here and now; `any_conditions`
        does not ask under which it was made."""
        made = facts.get("origin")
        if (
            self.conditions is None
            or not isinstance(made, dict)
            or (made.get("fit"), made.get("data")) != (self.fit, self.data)
        ):
            return False
        return any_conditions or _conditions_digest(made.get("provenance")) == self.conditions


@dataclass(frozen=True)
class Cost:
    """What a training has taken: wall `seconds`, and `peaks` of memory by name (None where there is
    no such memory)."""

    seconds: float
    peaks: Mapping[str, int | None]

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> Cost:
        """The cost that a file says.

        Raises
        ------
        ValueError
            It says none.
        """
        wrong = absent(saved, _COST) or misshapen(saved, _COST) or impossible(saved)
        if wrong or saved["seconds"] < 0:
            raise ValueError("its cost is none")
        return cls(saved["seconds"], saved["peaks"])

    def after(self, earlier: Cost) -> Cost:
        """This cost and that of earlier attempts: seconds add up, of peaks the highest counts."""
        both = {
            name: [
                peak for peak in (self.peaks.get(name), earlier.peaks.get(name)) if peak is not None
            ]
            for name in self.peaks
        }
        return Cost(
            self.seconds + earlier.seconds,
            {name: max(peaks, default=None) for name, peaks in both.items()},
        )


class Checkpoint:
    """Where a training is saved every so often, and goes on from.

    Parameters
    ----------
    path
        Of its file.
    origin
        Of the training.
    every
        Seconds between two times of writing.
    cost
        What this process has spent on the fit so far.
    warn
        Takes what becomes of the file, where that is not what one expects.
    """

    def __init__(
        self,
        path: Path,
        origin: Origin,
        every: float,
        cost: Callable[[], Cost],
        warn: Warn = tensor_files.log.warning,
    ) -> None:
        self._warn = warn
        self._path = path
        self._origin = origin
        self._every = every
        self._cost = cost
        self._earlier: Cost | None = None
        self._written = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time to write again."""
        return time.monotonic() - self._written >= self._every

    @property
    def cost(self) -> Cost:
        """What the training has cost so far: up to their last checkpoints, the attempts before this
        one too."""
        return self._cost() if self._earlier is None else self._cost().after(self._earlier)

    def read(self) -> dict[str, Any] | None:
        """What `write` was given last, or None where there is no file, or one that is damaged or
        made under other conditions."""
        found = tensor_files.read(self._path, self._warn)
        if found is None:
            return None
        facts, tensors = found
        if not self._origin.gives(facts):
            self._warn(
                f"{tensor_files.shown(self._path)}: made under other conditions or on other data; "
                "the training begins anew"
            )
            return None
        try:
            snapshot: dict[str, Any] = tensor_files.unpack(facts["snapshot"], tensors)
            self._earlier = Cost.of(facts["cost"])
        except Exception as error:  # who writes a digest can write anything
            tensor_files.warn_of_damage(self._path, error, self._warn)
            return None
        return snapshot

    def refuse(self, error: Exception) -> None:
        """Take note that nothing can go on from what was read."""
        self._earlier = None
        tensor_files.warn_of_damage(self._path, error, self._warn)

    def note_resumed(self, iteration: int) -> None:
        """Take note that the training went on from what was read."""
        self._warn(f"went on from iteration {iteration:,}")

    def write(self, snapshot: Mapping[str, Any]) -> None:
        """Replace the file by one of where the training stands: tables and lists of tensors,
        numbers and strings.

        Raises
        ------
        UnwritableError
            The disk is full, or the folder has vanished; the file before this one is still there.
        """
        tensors: dict[str, Tensor] = {}
        packed = tensor_files.pack(dict(snapshot), "", tensors)
        tensor_files.write(
            self._path,
            {"origin": asdict(self._origin), "cost": asdict(self.cost), "snapshot": packed},
            tensors,
        )
        self._written = time.monotonic()

    def delete(self) -> None:
        """Remove the file."""
        self._path.unlink(missing_ok=True)


def _conditions_digest(provenance: Any) -> str | None:
    conditions = provenance.get("conditions") if isinstance(provenance, Mapping) else None
    return conditions.get("conditions_digest") if isinstance(conditions, Mapping) else None
