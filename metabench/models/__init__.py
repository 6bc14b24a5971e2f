"""Networks. One file a model; `layers.py` holds what they share.

A model is an `nn.Module` made by `Model(settings, task)` with two parts: `body` (inputs to
features) and `head` (features to scores); `forward` is `head(body(x))`. It declares `kinds`,
`version`, `Settings` and `has_batch_norm(settings)`.

The task axis: `x` may be `[B, ...]` with plain weights, or `[T, B, ...]` with every weight carrying
a leading axis of T tasks (as `torch.func.functional_call` hands them in): then T networks with
weights of their own run at once.
"""
