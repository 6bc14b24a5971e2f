"""Datasets. One file a dataset; `dataset.py` is their interface, `images.py` the base of those of
images. Importing this imports no dataset."""
