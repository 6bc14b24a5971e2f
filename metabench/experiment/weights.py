"""What is kept of fits, and where: the weights of trainings that are over, with what further cells
must know of them.

Whoever finds them evaluates, and trains nothing. The file of a fit holds its state under the names
that it has there, and the curves of its training under ``training/...``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from metabench.experiment import tensor_files
from metabench.experiment.checkpoints import Checkpoint, Cost, Origin
from metabench.experiment.tensor_files import Warn
from metabench.experiment.training_result import Training
from metabench.io.shapes import absent, misshapen
from metabench.io.untrusted import impossible
from metabench.methods.method import State
from metabench.records.format import RECORD

CURVES = "training"
"""What the names of the curves begin with; names of weights have no slash."""

_FACTS = {"workers": int, "origin": {"provenance": RECORD["provenance"]}}


@dataclass(frozen=True)
class Keeping:
    """What of a fit lies on disk between two runs, in a file of each of these folders.

    Attributes
    ----------
    weights
        Folder of those of finished trainings, or None.
    checkpoints
        Folder of trainings under way, or None.
    every
        Seconds between two checkpoints; 0 for none.
    provenance
        Where the fit is run, `conditions` among it: what was made under others is not taken up, and
        without it nothing is.
    stale
        Take up weights made under other conditions, too.
    needs
        Folder of the weights of fits that this one needs, or None;
    conditions_of_needs
        of each of them, by its id, the conditions of now.
    """

    weights: Path | None = None
    checkpoints: Path | None = None
    every: float = 60.0
    provenance: Mapping[str, Any] = field(default_factory=dict)
    stale: bool = False
    needs: Path | None = None
    conditions_of_needs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def weights_of(self, fit: str) -> Path | None:
        """Where the weights of the fit with this id lie, or will."""
        return None if self.weights is None else weights_path(self.weights, fit)

    def checkpoint(self, origin: Origin, cost: Callable[[], Cost], warn: Warn) -> Checkpoint | None:
        """The checkpoint of a training, which has cost so much so far."""
        if self.checkpoints is None or not self.every:
            return None
        path = self.checkpoints / f"{origin.fit}.safetensors"
        return Checkpoint(path, origin, self.every, cost, warn)


NOTHING_KEPT = Keeping()


@dataclass(frozen=True)
class Trained:
    """A training that is over.

    Attributes
    ----------
    training
        Its curves.
    cost
        What it took, loading included.
    workers
        How many fits ran at once meanwhile.
    provenance
        Where and when the weights were made, if they were found; None if they have just been made.
    """

    training: Training
    cost: Cost
    workers: int
    provenance: Mapping[str, Any] | None = None


def weights_path(folder: Path, fit: str) -> Path:
    """Where a folder keeps the weights of the fit with this id."""
    return folder / f"{fit}.safetensors"


def keep_weights(path: Path, state: State, trained: Trained, origin: Origin) -> None:
    """Write everything that the state has learned, and the training, whole or not at all.

    Raises
    ------
    UnwritableError
        The disk is full, or the folder cannot be written.
    """
    tensors: dict[str, Tensor] = dict(state.state_dict())
    training = tensor_files.pack(trained.training.as_dict(), CURVES, tensors)
    facts = {
        "origin": asdict(origin),
        "training": training,
        "cost": asdict(trained.cost),
        "workers": trained.workers,
    }
    tensor_files.write(path, facts, tensors)


def find_weights(
    path: Path, state: State, origin: Origin, warn: Warn, *, any_conditions: bool = False
) -> Trained | None:
    """Give `state` the weights of a file, and return the training they come from; None where there
    are none that would be made here and now.

    Parameters
    ----------
    warn
        Takes why a file that is there is not used.
    any_conditions
        Take those made under other conditions, too; on other data never.
    """
    found = tensor_files.read(path, warn)
    if found is None or not origin.gives(found[0], any_conditions=any_conditions):
        return None
    facts, tensors = found
    weights = {
        name: tensor for name, tensor in tensors.items() if not name.startswith(f"{CURVES}/")
    }
    if tensor_files.shapes_of(weights) != tensor_files.shapes_of(state.state_dict()):
        return None
    try:
        training = Training.from_dict(tensor_files.unpack(facts["training"], tensors))
        if misshapen(facts, _FACTS) or absent(facts, _FACTS) or impossible(facts["origin"]):
            raise ValueError("its facts are not as they should be")
        trained = Trained(
            training, Cost.of(facts["cost"]), facts["workers"], facts["origin"]["provenance"]
        )
    except Exception as error:  # written by other sources and taken on demand, or crafted
        tensor_files.warn_of_damage(path, error, warn)
        return None
    state.load_state_dict(weights)
    return trained


def has_weights(
    path: Path, fit: str, conditions: Mapping[str, Any], *, any_conditions: bool = False
) -> bool:
    """Whether `find_weights` will find some, judged by the first bytes of the file; data and damage
    show only when it is read."""
    facts = tensor_files.read_facts(path)
    made = facts.get("origin") if facts else None
    data = made.get("data") if isinstance(made, dict) else None
    return facts is not None and Origin(fit, data, {"conditions": conditions}).gives(
        facts, any_conditions=any_conditions
    )
