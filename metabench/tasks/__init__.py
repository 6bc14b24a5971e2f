"""Datasets and the episodes drawn from them. Importing this package imports neither torch nor a dataset."""
