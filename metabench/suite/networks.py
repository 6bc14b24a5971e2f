"""Whether the networks of a suite can be made at all: settings of a model and of a dataset may each
be right, and together impossible."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from metabench.cells import Fit, Part
from metabench.errors import PluginError, message_of
from metabench.identity import canonical
from metabench.registry import Group, blamed, configured, get, make
from metabench.suite.document import Document, KeyPath
from metabench.suite.layers import Layer, merged

if TYPE_CHECKING:
    from metabench.tasks.episodes import Task

SECTIONS: tuple[tuple[str, Group], ...] = (("model", "models"), ("dataset", "datasets"))


class Networks:
    """Makes each network of a suite once, on torch's meta device: there weights have shapes, and
    take neither memory nor time."""

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
        told = get("methods", fit.method.name).told
        key = canonical([fit.model.identity(), fit.dataset.identity(), fit.train.ways, told])
        if key in self._made:
            return
        if why := misfit(fit.model, fit.dataset, fit.train.ways, told):
            for section, group in SECTIONS:
                for setting, (_, layer) in merged(layers, section).items():
                    parts = {"model": fit.model, "dataset": fit.dataset}
                    parts[section] = _without(parts[section], group, setting)
                    if not misfit(**parts, ways=fit.train.ways, told=told):
                        raise layer.document.error((layer.place(section, setting), why))
            raise document.error(((*grid, "models"), why))
        self._made.add(key)


def misfit(model: Part, dataset: Part, ways: int | None, told: bool) -> str:
    """Say why a network cannot be made for a dataset's tasks, or nothing.

    Parameters
    ----------
    ways
        Of the training episodes.
    told
        Whether inputs say what defines the task, as those of an oracle do.
    """
    import torch

    task = task_of(dataset, ways, told)
    try:
        with blamed("models", model.name, ValueError), torch.device("meta"):
            make("models", model, task)
    except ValueError as error:
        return message_of(error)
    # a network of somebody else's that wants weights with values, it may be: its fit will tell
    except PluginError:
        return ""
    return ""


def task_of(dataset: Part, ways: int | None, told: bool = False) -> Task:
    """What a network is built for that learns a dataset's episodes.

    Raises
    ------
    PluginError
        The dataset breaks its contract.
    """
    from metabench.experiment.returned import checked_task

    with blamed("datasets", dataset.name):
        source = make("datasets", dataset)
        return checked_task(source.telling() if told else source, ways)


def _without(part: Part, group: Group, setting: str) -> Part:
    """Return a part with one setting at its default; as it is where the others do not allow
    that."""
    try:
        return configured(
            group, part.name, {key: value for key, value in part.settings.items() if key != setting}
        )
    except ValueError:
        return part
