"""Unconstrained features models with cross entropy: low rank is better, and collapse persists."""
