"""What methods, datasets and models give back, held against what their interfaces promise.

Each function returns what it was given where that is as it should be. Where it is not, the error
names the class that gave it: further on it would be an error of this package, or, worse, a score.
(A prediction that can be broadcast is scored all the same.)
"""
