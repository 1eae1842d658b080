"""Unconstrained features models of ordinal regression."""
