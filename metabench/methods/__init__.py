"""Methods. One file a method.

`method.py` is their interface, `inner_loop.py` the pure core of the gradient-based ones,
`metric.py` that of the metric-based ones, and `supervised.py` that of those that train outside of
episodes.
"""
