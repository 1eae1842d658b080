"""Collapse on training and on test data."""
