"""Theoretical statements about collapse, which need no training."""
