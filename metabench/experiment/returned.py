"""What methods, datasets and models give back, held against what their interfaces promise.

Each function returns what it was given where that is as it should be. Where it is not, the fault is
told as that of the class which gave it: further on it would be an error of this package, or, worse,
a score. (A prediction that can be broadcast is scored all the same.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from reprlib import repr as shortened
from typing import Any, cast, get_args

import numpy as np
import torch
from torch import Tensor, nn

from metabench.datasets.dataset import Dataset, Split
from metabench.figures import Figure
from metabench.methods.method import Method, Source, State, StepResult
from metabench.models.foreign import Foreign, width_of
from metabench.models.model import Model
from metabench.registry.promises import broken, dtype_name, seen
from metabench.tasks.episodes import Draw, Episodes, EpisodeShape, Examples, Task

SCORE_TYPES = (torch.float32, torch.float64, torch.float16)
"""Of predictions: real numbers that NumPy has too."""


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
    if not (isinstance(shape, tuple) and shape and all(_is_count(size) for size in shape)):
        raise broken(
            dataset,
            hook,
            f"gave an input_shape of {shortened(shape)}; expected whole numbers, such as "
            "(channels, height, width)",
        )
    if not _is_count(task.outputs):
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
            and all(isinstance(name, str) and _is_number_of(n) for name, n in classes.items())
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


def checked_model(model: Model, task: Task) -> Model:
    """A model that gives as many features as it says."""
    if isinstance(model, Foreign):  # which found out
        return model
    if (found := width_of(model, task)) != model.width:
        raise broken(
            model,
            "forward",
            f"gave {found} features for an input; expected its width, {model.width}",
        )
    return model


def checked_network(method: Method, network: Any) -> nn.Module:
    """The network that a method makes of a model."""
    if not isinstance(network, nn.Module):
        raise broken(method, "network", f"gave {seen(network)}; expected a torch.nn.Module")
    return network


def checked_state(method: Method, state: Any) -> State:
    """The state that `init` gives."""
    if not isinstance(state, State):
        raise broken(method, "init", f"gave {seen(state)}; expected a State")
    for name, wanted in {"optimizer": torch.optim.Optimizer, "generator": torch.Generator}.items():
        if not isinstance(value := getattr(state, name), wanted | None):
            raise broken(
                method,
                "init",
                f"gave a State whose {name} is {seen(value)}; expected a torch {wanted.__name__} "
                "or None",
            )
    return state


def checked_method(method: Method) -> Method:
    """A method whose curve, steps and costs are numbers that a record can hold."""
    curve, steps, gradients = method.curve, method.test_steps, method.gradients_per_task
    if not (
        isinstance(curve, tuple | list) and curve and all(_is_number_of(step) for step in curve)
    ):
        raise broken(
            method, "curve", f"is {shortened(curve)}; expected numbers of steps, such as (0, 1, 5)"
        )
    if steps not in curve:
        raise broken(
            method,
            "test_steps",
            f"is {shortened(steps)}; expected an entry of the curve, {shortened(tuple(curve))}",
        )
    if not _is_number_of(gradients):
        raise broken(
            method,
            "gradients_per_task",
            f"is {shortened(gradients)}; expected a whole number, at least 0",
        )
    return method


def checked_candidates(method: Method) -> Sequence[Method]:
    """What validation episodes are to be spent on."""
    found = method.candidates()
    if not (
        isinstance(found, Sequence)
        and found
        and all(isinstance(candidate, Method) for candidate in found)
    ):
        raise broken(
            method,
            "candidates",
            f"gave {seen(found)}; expected a tuple or list of methods, with at least one in it",
        )
    for candidate in found:
        if candidate is not method:
            checked_method(candidate)
    return found


def checked_weights(method: Method, state: State, ways: int | None) -> int:
    """How many weights adapting to an episode changes."""
    adapted = method.adapted_weights(state, ways)
    if not _is_number_of(adapted):
        raise broken(
            method,
            "adapted_weights",
            f"gave {seen(adapted)}; expected a whole number, at least 0",
        )
    return adapted


def checked_batches(method: Method, source: Source) -> Callable[[int], Any]:
    """What gives the batch of each iteration."""
    batches = method.batches(source)
    if not callable(batches):
        raise broken(
            method, "batches", f"gave {seen(batches)}; expected what source.episodes() gives"
        )
    return batches


def checked_step(method: Method, step: Any) -> StepResult:
    """Loss and score of an iteration. Asked once an iteration."""
    if not isinstance(step, StepResult):
        raise broken(method, "step", f"gave {seen(step)}; expected a StepResult")
    for name, value in (("loss", step.loss), ("score", step.score)):
        if not (isinstance(value, Tensor) and value.dim() == 0 and not value.is_complex()):
            raise broken(
                method,
                "step",
                f"gave a {name} of {seen(value)}; expected a real tensor without axes",
            )
    return step


def checked_scores(
    method: Method, hook: str, scores: Any, wanted: tuple[int, ...], device: torch.device
) -> Tensor:
    """Predictions of the shape that is `wanted`, to the last axis."""
    if not isinstance(scores, Tensor) or scores.layout != torch.strided:
        raise broken(
            method, hook, f"gave {seen(scores)}; expected a dense tensor of shape {list(wanted)}"
        )
    if scores.shape != wanted:  # broadcasting would score it all the same
        raise broken(
            method, hook, f"gave scores of shape {list(scores.shape)}; expected {list(wanted)}"
        )
    if scores.dtype not in SCORE_TYPES:
        raise broken(
            method,
            hook,
            f"gave scores of type {dtype_name(scores.dtype)}; expected float32 or float64",
        )
    if scores.device != device:
        raise broken(method, hook, f"gave scores on {scores.device}; expected them on {device}")
    return scores.detach()


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
    if not _are_arrays(draw) or not draw:
        raise broken(dataset, hook, f"gave {seen(draw)}; expected arrays by name")
    for name, values in draw.items():
        if values.ndim == 0 or len(values) != count:
            raise broken(
                dataset,
                hook,
                f"gave an array {name!r} of shape {list(values.shape)}; expected a first axis of "
                f"{count}",
            )
    return draw  # type: ignore[no-any-return]


def checked_figure(owner: Dataset | Method, figure: Any) -> Figure | None:
    """A figure that a dataset or a method names, or none."""
    if not isinstance(figure, Figure | None):
        raise broken(owner, "figure", f"gave {seen(figure)}; expected a Figure or None")
    return figure


def checked_arrays(dataset: Dataset | Method, hook: str, arrays: Any) -> dict[str, np.ndarray]:
    """Arrays by name that a file can hold, as many as there may be."""
    if not _are_arrays(arrays):
        raise broken(dataset, hook, f"gave {seen(arrays)}; expected arrays by name")
    return arrays  # type: ignore[no-any-return]


def checked_episodes(
    dataset: Dataset, episodes: Any, shape: EpisodeShape, count: int, device: torch.device
) -> Episodes:
    """Gathered episodes of a shape. Looks at labels and values too, which on a GPU means waiting
    for it: once a stream is enough."""
    if not isinstance(episodes, Episodes):
        raise broken(dataset, "gather", f"gave {seen(episodes)}; expected Episodes")
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


def state_digest(state: State) -> str:
    """SHA-256 of everything that a state keeps."""
    total = hashlib.sha256()
    for name, value in state.state_dict().items():
        total.update(f"\0{name}\0".encode())
        if isinstance(value, Tensor):
            total.update(f"{value.dtype}\0{tuple(value.shape)}\0".encode())
            total.update(
                value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
            )
    return total.hexdigest()


def refuse_changed_state(method: Method, state: State, before: str) -> None:
    """See that a state is what it was before predictions were asked of it: what one test changes,
    the next one would be scored with.

    Raises
    ------
    PluginError
        It is not.
    """
    if state_digest(state) != before:
        raise broken(
            method,
            "predict",
            "changed the state that it was given, which test and validation must leave as it was",
        )


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


def _are_arrays(arrays: Any) -> bool:
    return isinstance(arrays, dict) and all(
        isinstance(name, str) and isinstance(values, np.ndarray) and not values.dtype.hasobject
        for name, values in arrays.items()
    )


def _is_number_of(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_count(value: Any) -> bool:
    return _is_number_of(value) and value > 0
