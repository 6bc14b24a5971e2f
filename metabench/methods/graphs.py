"""A training step as one compiled graph.

The step runs once on tensors without numbers, its gradients of gradients included, and every
operation is written down (`torch.fx`'s `make_fx`); what comes of that is a plain list of operations
that Inductor turns into C++. So a method writes its step once, and what is compiled is that very
step: the same numbers, in another order of rounding.

What is written down holds for good: nothing in it may depend on the values of tensors, on Python's
own random numbers, or on what the method has not said of the moment of training.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx

from metabench.errors import message_of
from metabench.methods.method import Moment, State
from metabench.models.layers import written_down
from metabench.tasks.random_streams import global_states, set_global_states

R = TypeVar("R")

Compile = Callable[[torch.fx.GraphModule, Sequence[Tensor]], Callable[..., Sequence[Tensor]]]
"""A graph and inputs like those that it will get -> what runs it."""


class Graphs:
    """The compiled graphs of a fit, one for each piece of a step and shape of its inputs. Where one
    cannot be made, all runs as it is written.

    Parameters
    ----------
    compile
        Makes a graph run.
    warn
        Told once why nothing is compiled.

    Attributes
    ----------
    seconds
        What writing down and compiling took.
    why
        Why nothing is compiled; empty where all is.
    """

    def __init__(self, compile: Compile, warn: Callable[[str], None]) -> None:
        self._compile = compile
        self._warn = warn
        self._graphs: dict[Hashable, _Graph] = {}
        self._made: dict[Any, Any] = {}
        self._numbers: tuple[tuple[float, ...], Tensor] = (), torch.zeros(0)
        self.seconds = 0.0
        self.why = ""

    def once(self, make: Callable[[State], R], state: State) -> R:
        """What `make` gave of the state the first time: to walk through all modules takes longer
        than some steps do."""
        if make not in self._made:
            self._made[make] = make(state)
        made: R = self._made[make]
        return made

    def constant(self, numbers: tuple[float, ...], like: Tensor) -> Tensor:
        """Numbers that are mostly those of the iteration before, as a tensor of the kind of
        another."""
        if numbers != self._numbers[0]:
            self._numbers = numbers, like.new_tensor(numbers)
        return self._numbers[1]

    def __len__(self) -> int:
        return len(self._graphs)

    def run(
        self,
        piece: Callable[..., R],
        state: State,
        moment: Moment,
        phase: Callable[[Moment], Hashable],
        inputs: Sequence[Tensor],
    ) -> R:
        """``piece(moment, *inputs)``: a dataclass of tensors and lists of them, which carry no
        gradient.

        Parameters
        ----------
        piece
            A function or a method. Reads tensors from `state` and its arguments alone, and changes
            no more than buffers of `state`, in place. May take gradients.
        phase
            All of a moment that decides which operations `piece` is of: one graph is for one phase.
        inputs
            Of one shape in every iteration, or few: each has a graph of its own.
        """
        if self.why:
            return piece(moment, *inputs)
        # a closure is another object at each step, of the same code
        which = getattr(piece, "__code__", piece)
        key = which, phase(moment), tuple((x.shape, x.stride(), x.dtype) for x in inputs)
        if key not in self._graphs and not self._add(key, piece, state, moment, phase, inputs):
            return piece(moment, *inputs)
        result: R = self._graphs[key](inputs)
        return result

    def _add(
        self,
        key: Hashable,
        piece: Callable[..., Any],
        state: State,
        moment: Moment,
        phase: Callable[[Moment], Hashable],
        inputs: Sequence[Tensor],
    ) -> bool:
        """Make a graph; whether that can be done."""
        started = time.perf_counter()
        try:
            watched = _watched(piece, moment, phase)
            self._graphs[key] = _Graph(watched, state, inputs, self._compile)
        except (OSError, MemoryError):  # another time it may well be made
            raise
        except Exception as error:
            said = message_of(error).strip().partition("\n")[0]
            self.why = f"{type(error).__name__}: {said}"
            self._warn(f"training steps are not compiled: {self.why}")
        finally:
            self.seconds += time.perf_counter() - started
        return not self.why


class UndeclaredError(Exception):
    """A step depends on what a graph cannot be told."""


@dataclass(frozen=True)
class Watched(Moment):
    """A moment that notes which of its fields are `read`."""

    read: ClassVar[set[str]]

    def __post_init__(self) -> None:
        object.__setattr__(self, "read", set())

    def __getattribute__(self, name: str) -> Any:
        if name in _MOMENT:
            object.__getattribute__(self, "read").add(name)
        return object.__getattribute__(self, name)

    @classmethod
    def of(cls, moment: Moment) -> Watched:
        """The same moment."""
        return cls(**{name: getattr(moment, name) for name in _MOMENT})


_MOMENT = tuple(field.name for field in fields(Moment))


def _watched(
    piece: Callable[..., Any], moment: Moment, phase: Callable[[Moment], Hashable]
) -> Callable[..., Any]:
    """`piece` at a moment, of which it reads nothing that `phase` does not read.

    Raises
    ------
    UndeclaredError
        As it is called: it does, and would be another at each moment.
    """
    declared, seen = Watched.of(moment), Watched.of(moment)
    phase(declared)

    def watched(*inputs: Tensor) -> Any:
        result = piece(seen, *inputs)
        if undeclared := seen.read - declared.read:
            raise UndeclaredError(
                f"they depend on the {', '.join(sorted(undeclared))} of the moment of training in "
                "a way that `phase` does not say"
            )
        return result

    return watched


class _Graph:
    """A piece of a step, written down and compiled, on the tensors of a state."""

    def __init__(
        self,
        piece: Callable[..., Any],
        state: State,
        inputs: Sequence[Tensor],
        compile: Compile,
    ) -> None:
        parameters, buffers = dict(state.named_parameters()), dict(state.named_buffers())
        self._own = [*parameters.values(), *buffers.values()]
        self._buffers = list(buffers.values())
        self._moved: list[Tensor] = []
        self._form: _Form | None = None

        def flat(tensors: list[Tensor]) -> list[Tensor]:
            given = iter(tensors)
            own = {
                name: next(given).detach().requires_grad_(p.requires_grad)
                for name, p in parameters.items()
            }
            kept = [next(given).clone() for _ in buffers]
            before = [b._version for b in kept]
            lent = own | dict(zip(buffers, kept, strict=True))
            held = {f"state.{name}": x for name, x in lent.items()}
            result = functional_call(_Whole(state, piece), held, tuple(given))
            # it puts there what stands in the place of a tensor afterwards
            if assigned := [name for name, x in lent.items() if held[f"state.{name}"] is not x]:
                raise UndeclaredError(
                    f"they put another tensor in the place of {', '.join(assigned)}: what is to "
                    "move must be changed in place"
                )
            moved = [place for place, b in enumerate(kept) if b._version != before[place]]
            self._moved = [self._buffers[place] for place in moved]
            self._form = _Form(result)
            return [*self._form.leaves(result), *(kept[place] for place in moved)]

        example = [x.detach() for x in (*self._own, *inputs)]
        with _generators_unmoved(), written_down():
            graph = make_fx(flat, tracing_mode="fake")(example)
        with torch.no_grad():
            states = global_states()
            try:
                self._call = compile(graph, example)
            finally:
                set_global_states(states)

    @torch.no_grad()
    def __call__(self, inputs: Sequence[Tensor]) -> Any:
        results = iter(self._call([*self._own, *inputs]))
        assert self._form is not None
        result = self._form.filled(results)
        for buffer, value in zip(self._moved, results, strict=True):
            buffer.copy_(value)
        return result


class _Form:
    """The form of a dataclass whose fields are tensors, or lists of tensors or None. A step fills
    it anew each time: `pytree` would take longer than some steps do."""

    def __init__(self, like: Any) -> None:
        self._kind = type(like)
        self._fields = {
            name: None if isinstance(value, Tensor) else [x is not None for x in value]
            for name, value in vars(like).items()
        }

    def leaves(self, filled: Any) -> list[Tensor]:
        """All of its tensors, without their history."""
        values = (
            [value] if self._fields[name] is None else value for name, value in vars(filled).items()
        )
        return [x.detach() for each in values for x in each if x is not None]

    def filled(self, leaves: Iterator[Tensor]) -> Any:
        """One of this form, with the next of these tensors."""
        return self._kind(
            *(
                next(leaves) if there is None else [next(leaves) if x else None for x in there]
                for there in self._fields.values()
            )
        )


class _Whole(nn.Module):
    """A state whose call is a piece of a step, for `functional_call`."""

    def __init__(self, state: State, piece: Callable[..., Any]) -> None:
        super().__init__()
        self.state = state
        self.__dict__["piece"] = piece

    def forward(self, *inputs: Tensor) -> Any:
        return self.__dict__["piece"](*inputs)


@contextmanager
def _generators_unmoved() -> Iterator[None]:
    """See that nothing is drawn from Python's or NumPy's global generators: a graph would hold the
    numbers that came first.

    Raises
    ------
    UndeclaredError
        Something is; both stand where they stood.
    """
    python, numpy = random.getstate(), np.random.get_state()
    try:
        yield
        if random.getstate() != python or not _same(np.random.get_state(), numpy):
            raise UndeclaredError("they draw from Python's or NumPy's global generator")
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


def _same(now: Any, then: Any) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(now, then, strict=True))
