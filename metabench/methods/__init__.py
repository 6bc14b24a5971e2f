"""Methods. One file a method.

`method.py` is their interface. `gradient_based.py` is the base of those that adapt by gradients,
`inner_loop.py` their one inner loop and `update_rules.py` how a step of it moves weights;
`fine_tuning.py` is the base of the baselines among them, `metric_based.py` that of the metric-based
ones, `supervised.py` that of those that train outside of episodes. `outputs.py` runs the networks
of several tasks at once.
"""
