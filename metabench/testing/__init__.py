"""Checks for methods, datasets and models of one's own: what a comparison relies on, and no run can
see.

    from metabench.testing import check_method

    def test_my_method():
        check_method(MyMethod, inner_lr=0.1)

Each returns nothing, or raises an `AssertionError` that says what is wrong. The built-in classes
pass the same ones. They take seconds, on small data that is made on the spot, and replace no test
against the paper: a method that learns nothing passes most of them.
"""

from metabench.testing.datasets import check_dataset
from metabench.testing.methods import check_method
from metabench.testing.models import check_model

__all__ = ["check_dataset", "check_method", "check_model"]
