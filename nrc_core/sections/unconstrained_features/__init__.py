"""Unconstrained features models of regression, and the last layers of trained networks."""
