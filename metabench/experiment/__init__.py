"""The experiment: one fit and its cells, from seed to scores. `fit.py` has the whole of it on one
page.

`training.py` is the one outer loop, `evaluation.py` the one way to scores, `sources.py` what a fit
is trained and tested on, `checkpoints.py` and `weights.py` what is kept of it, `measure.py` what it
costs, `outcome.py` what it comes to. Nothing here knows records, runner or command line.
"""
