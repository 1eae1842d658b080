"""Collapse by the size of the training set."""
