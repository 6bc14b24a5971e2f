"""Whether the networks of a suite can be made at all: settings of a model and of a dataset may each
be right, and together impossible."""

from __future__ import annotations

from collections.abc import Sequence
from reprlib import repr as shortened
from typing import TYPE_CHECKING

from metabench.cells import Fit, Part
from metabench.errors import PluginError, message_of
from metabench.identity import canonical
from metabench.registry import Group, accusation, blamed, configured, get, make
from metabench.registry.settings import build
from metabench.suite.document import Document, KeyPath
from metabench.suite.layers import Layer, merged

if TYPE_CHECKING:
    from metabench.models.model import Model
    from metabench.tasks.episodes import Task

SECTIONS: tuple[tuple[str, Group], ...] = (("model", "models"), ("dataset", "datasets"))


class Networks:
    """Makes each model of a suite once, on torch's meta device: there weights have shapes, and take
    neither memory nor time."""

    def __init__(self) -> None:
        self._made: set[str] = set()

    def refuse_misfit(
        self, fit: Fit, layers: Sequence[Layer], document: Document, grid: KeyPath
    ) -> None:
        """Refuse a fit whose network cannot be made, at the setting without which it could be; at
        the grid's models where there is none.

        Raises
        ------
        ConfigError
            With what the model itself says.
        """
        if fit.model is None:
            return
        privileged = "privileged" in get("methods", fit.method.name).wants
        key = canonical([fit.model.identity(), fit.dataset.identity(), fit.train.ways, privileged])
        if key in self._made:
            return
        if why := misfit(fit.model, fit.dataset, fit.train.ways, privileged):
            for section, group in SECTIONS:
                for setting, (_, layer) in merged(layers, section).items():
                    parts = {"model": fit.model, "dataset": fit.dataset}
                    parts[section] = _without(parts[section], group, setting)
                    if not misfit(**parts, ways=fit.train.ways, privileged=privileged):
                        raise layer.document.error((layer.place(section, setting), why))
            raise document.error(((*grid, "models"), why))
        self._made.add(key)


def misfit(model: Part, dataset: Part, ways: int | None, privileged: bool) -> str:
    """Say why a model cannot be made for a dataset's tasks, or nothing.

    Parameters
    ----------
    ways
        Of the training episodes.
    privileged
        Whether inputs say what defines the task, as those of an oracle do.
    """
    task, why = task_of(dataset, ways, privileged), ""
    # one of somebody else's may want weights with values
    for device in ("meta", "cpu"):
        try:
            _make(model, task, device)
        except ValueError as error:
            why = message_of(error)
        # its fit will tell
        except PluginError:
            return ""
        else:
            return ""
    return why


def _make(part: Part, task: Task, device: str) -> Model:
    """A model on a device, which nobody trains."""
    import torch

    from metabench.models.ways import untried
    from metabench.tasks.random_streams import global_stream

    with (
        blamed("models", part.name, ValueError),
        global_stream(0, "suite"),
        torch.device(device),
    ):
        return untried(make("models", part, task), task)


_NORMALISED: dict[tuple[type, str], bool] = {}
"""Class of a model, its settings and what it is made for -> whether batch normalisation is in
it."""


def has_batch_norm(method: Part, model: Part, dataset: Part, ways: int | None) -> bool:
    """Whether a model normalises by batches: what its class says, and where it says nothing, what
    there is among its layers.

    Raises
    ------
    PluginError
        The class answers something else, or the model cannot be made.
    """
    found = get("models", model.name)
    if hasattr(found, "has_batch_norm"):
        with blamed("models", model.name):
            answer = found.has_batch_norm(build(found.Settings, model.settings))
        if not isinstance(answer, bool):
            raise accusation(
                "models",
                model.name,
                f"answers has_batch_norm with {shortened(answer)}; expected True or False",
            )
        return answer
    from metabench.models.layers import batch_norms

    privileged = "privileged" in get("methods", method.name).wants
    key = found, canonical([model.identity(), dataset.identity(), ways, privileged])
    if key not in _NORMALISED:
        task = task_of(dataset, ways, privileged)
        try:
            network = _make(model, task, "meta")
        except (ValueError, PluginError):
            try:
                network = _make(model, task, "cpu")
            # the misfit is told where networks are looked at
            except ValueError:
                return True
        _NORMALISED[key] = bool(batch_norms(network))
    return _NORMALISED[key]


def task_of(dataset: Part, ways: int | None, privileged: bool = False) -> Task:
    """What a network is built for that learns a dataset's episodes.

    Raises
    ------
    PluginError
        The dataset breaks its contract.
    """
    from metabench.experiment.returned.datasets import checked_task

    with blamed("datasets", dataset.name):
        source = make("datasets", dataset)
        return checked_task(source.privileged() if privileged else source, ways)


def _without(part: Part, group: Group, setting: str) -> Part:
    """Return a part with one setting at its default; as it is where the others do not allow
    that."""
    try:
        return configured(
            group, part.name, {key: value for key, value in part.settings.items() if key != setting}
        )
    except ValueError:
        return part
