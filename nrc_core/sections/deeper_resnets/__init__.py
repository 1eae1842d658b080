"""Deeper residual networks collapse more, if depth makes moving the features cheaper."""
