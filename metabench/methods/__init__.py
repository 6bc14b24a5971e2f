"""Methods. One file a method.

`method.py` is their interface. `gradient_based.py` is the base of those that adapt by gradients,
`inner_loop.py` their one inner loop, `update_rules.py` how a step of it moves weights and
`meta_gradient.py` the gradient of what it leads to; `fine_tuning.py` is the base of the baselines
among them, `metric_based.py` that of the metric-based ones, `supervised.py` that of those that
train outside of episodes. `graphs.py` compiles the steps of a training, and `outputs.py` runs the
networks of several tasks at once.
"""
