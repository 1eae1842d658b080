"""Proposition 1 of the Deep NRC paper."""
