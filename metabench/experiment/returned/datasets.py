"""What datasets give back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from reprlib import repr as shortened
from typing import Any, cast, get_args

import torch
from torch import Tensor

from metabench.datasets.dataset import Dataset, Split
from metabench.experiment.returned.both import SCORE_TYPES, are_arrays
from metabench.registry.promises import broken, seen
from metabench.registry.requirements import is_whole
from metabench.tasks.episodes import Draw, Episodes, EpisodeShape, Examples, Task


def checked_task(dataset: Dataset, ways: int | None) -> Task:
    """The task of a dataset's episodes: of its kind, with sizes that a network can be made for."""
    task = _checked_task(dataset, "task", dataset.task(ways))
    if ways is not None and task.outputs != ways:
        raise broken(
            dataset,
            "task",
            f"gave {task.outputs} outputs for episodes of {ways} ways; expected one a class",
        )
    return task


def checked_training_task(dataset: Dataset) -> Task:
    """The same of all of its training split at once."""
    return _checked_task(dataset, "training_task", dataset.training_task())


def _checked_task(dataset: Dataset, hook: str, task: Any) -> Task:
    if not isinstance(task, Task):
        raise broken(dataset, hook, f"gave {seen(task)}; expected a Task")
    if task.kind != dataset.kind:
        raise broken(
            dataset, hook, f"gave a task of kind {task.kind!r}; the dataset is {dataset.kind}"
        )
    shape = task.input_shape
    if not (isinstance(shape, tuple) and shape and all(is_whole(size, 1) for size in shape)):
        raise broken(
            dataset,
            hook,
            f"gave an input_shape of {shortened(shape)}; expected whole numbers, such as "
            "(channels, height, width)",
        )
    if not is_whole(task.outputs, 1):
        raise broken(
            dataset,
            hook,
            f"gave {shortened(task.outputs)} outputs; expected a whole number, at least 1",
        )
    return task


def checked_content(dataset: Dataset) -> str | None:
    """The digest of a dataset's content."""
    content = dataset.content_digest()
    if content is not None and not isinstance(content, str):
        raise broken(dataset, "content_digest", f"gave {seen(content)}; expected a string or None")
    return content


def checked_class_sizes(dataset: Dataset, root: Path) -> Mapping[Split, Mapping[str, int]] | None:
    """How many examples each class of each split has, where that is known."""
    sizes: Any = dataset.class_sizes(root)
    known = sizes is None or (
        isinstance(sizes, Mapping)
        and set(sizes) <= set(get_args(Split))
        and all(
            isinstance(classes, Mapping)
            and all(isinstance(name, str) and is_whole(n) for name, n in classes.items())
            for classes in sizes.values()
        )
    )
    if not known:
        raise broken(
            dataset,
            "class_sizes",
            f"gave {seen(sizes)}; expected None, or split -> class -> how many examples it has, "
            f"the splits being {', '.join(get_args(Split))}",
        )
    return cast("Mapping[Split, Mapping[str, int]] | None", sizes)


def checked_privileged(dataset: Dataset) -> Dataset:
    """The same dataset with inputs that say what defines the task."""
    view = dataset.privileged()
    if not isinstance(view, Dataset):
        raise broken(dataset, "privileged", f"gave {seen(view)}; expected a Dataset")
    return view


def checked_metric(dataset: Dataset, per_episode: Any, wanted: tuple[int, ...]) -> Tensor:
    """Scores of episodes, as a dataset's metric gives them."""
    if (
        not isinstance(per_episode, Tensor)
        or tuple(per_episode.shape) != wanted
        or per_episode.dtype not in SCORE_TYPES
    ):
        raise broken(
            dataset,
            "metric",
            f"gave {seen(per_episode)} per episode; expected a tensor of float64 of shape "
            f"{list(wanted)}",
        )
    return per_episode


def checked_draw(dataset: Dataset, hook: str, draw: Any, count: int) -> Draw:
    """So many episodes or examples, drawn and not gathered."""
    if not are_arrays(draw) or not draw:
        raise broken(dataset, hook, f"gave {seen(draw)}; expected arrays by name")
    for name, values in draw.items():
        if values.ndim == 0 or len(values) != count:
            raise broken(
                dataset,
                hook,
                f"gave an array {name!r} of shape {list(values.shape)}; expected a first axis of "
                f"{count}",
            )
    return draw


def checked_gathered(dataset: Dataset, episodes: Any) -> Episodes:
    """Gathered episodes, of whatever shape."""
    if not isinstance(episodes, Episodes):
        raise broken(dataset, "gather", f"gave {seen(episodes)}; expected Episodes")
    return episodes


def checked_episodes(
    dataset: Dataset, gathered: Any, shape: EpisodeShape, count: int, device: torch.device
) -> Episodes:
    """Gathered episodes of a shape. Looks at labels and values too, which on a GPU means waiting
    for it: once a stream is enough."""
    episodes = checked_gathered(dataset, gathered)
    for part, each in (("support", (shape.ways or 1) * shape.shots), ("query", shape.queries)):
        x, y = getattr(episodes, f"{part}_x"), getattr(episodes, f"{part}_y")
        _checked_inputs(dataset, "gather", f"{part}_x", x, (count, each), device)
        _checked_targets(dataset, "gather", f"{part}_y", y, (count, each), shape.ways, device)
    if episodes.support_x.shape[2:] != episodes.query_x.shape[2:]:
        sizes = [list(x.shape[2:]) for x in (episodes.support_x, episodes.query_x)]
        raise broken(
            dataset,
            "gather",
            f"gave inputs of shape {sizes[0]} to learn from, and of {sizes[1]} to be asked",
        )
    if shape.ways is None and episodes.support_y.shape[2:] != episodes.query_y.shape[2:]:
        raise broken(
            dataset, "gather", "gave values of other dimensions to learn from than to be asked"
        )
    return episodes


def checked_examples(
    dataset: Dataset, examples: Any, classes: int | None, count: int, device: torch.device
) -> Examples:
    """Gathered examples of so many `classes` of the training split; None for regression. Once a
    stream is enough."""
    if not isinstance(examples, Examples):
        raise broken(dataset, "gather_examples", f"gave {seen(examples)}; expected Examples")
    _checked_inputs(dataset, "gather_examples", "x", examples.x, (count,), device)
    _checked_targets(dataset, "gather_examples", "y", examples.y, (count,), classes, device)
    return examples


def checked_views(dataset: Dataset, views: Any, x: Tensor) -> Tensor:
    """Augmented views of inputs: of their shape."""
    if not isinstance(views, Tensor) or (views.shape, views.dtype) != (x.shape, x.dtype):
        raise broken(dataset, "view", f"gave {seen(views)}; expected {seen(x)}")
    return views


def _checked_inputs(
    dataset: Dataset, hook: str, name: str, x: Any, first: tuple[int, ...], device: torch.device
) -> None:
    if not (
        isinstance(x, Tensor)
        and x.dim() > len(first)
        and x.shape[: len(first)] == first
        and x.dtype == torch.float32
    ):
        raise broken(
            dataset,
            hook,
            f"gave {name}: {seen(x)}; expected float32 of shape [{', '.join(map(str, first))}, "
            "...]",
        )
    if x.device != device:
        raise broken(dataset, hook, f"gave {name} on {x.device}; expected it on {device}")


def _checked_targets(
    dataset: Dataset,
    hook: str,
    name: str,
    y: Any,
    first: tuple[int, ...],
    classes: int | None,
    device: torch.device,
) -> None:
    labels = classes is not None
    wanted = (
        f"int64 of shape {list(first)}"
        if labels
        else f"float32 of shape [{', '.join(map(str, first))}, dimensions]"
    )
    fits = (
        isinstance(y, Tensor)
        and y.dtype == (torch.int64 if labels else torch.float32)
        and y.shape[: len(first)] == first
    )
    if not fits or y.dim() != len(first) + (not labels) or y.numel() == 0:
        raise broken(dataset, hook, f"gave {name}: {seen(y)}; expected {wanted}")
    if y.device != device:
        raise broken(dataset, hook, f"gave {name} on {y.device}; expected it on {device}")
    if classes is not None and not (int(y.min()) >= 0 and int(y.max()) < classes):
        raise broken(
            dataset,
            hook,
            f"gave {name} with labels {int(y.min())} ... {int(y.max())}; expected 0 ... "
            f"{classes - 1}",
        )
