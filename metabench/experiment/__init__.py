"""The experiment: one fit and its cells, from seed to scores. `fit.py` has the whole of it on one
page.

Before: `parts.py` makes dataset, method and network, `streams.py` and `training_data.py` give what
they are trained and tested on, `determinism.py` keeps numbers apart, `needs.py` takes the fits that
one needs. Within: `training.py` is the one outer loop, `training_state.py` where it stands,
`selection.py` which of its weights count; `predictions.py` and `evaluation.py` are the one way to
scores. After: `checkpoints.py` and `weights.py` are what is kept, in `tensor_files.py`;
`measure.py` is what it costs, `outcome.py` what it comes to. `returned/` checks what the classes of
others give back. Nothing here knows records, runner or command line.
"""
