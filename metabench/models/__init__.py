"""Networks. One file a model.

A model is a class made by `Model(settings, task)` that gives features; the head on top of them is
the method's (`Method.network`). One that derives from `model.Model` serves a task axis by itself:
`x` may be ``[B, ...]`` with plain weights, or ``[T, B, ...]`` with every weight carrying a leading
axis of T tasks (as `torch.func.functional_call` hands them in): then T networks with weights of
their own run at once. Any other `torch.nn.Module` is made to (`foreign`, `packed`, `ways`).

`layers` holds layers with a task axis, and batch normalisation whose statistics are said.
"""
