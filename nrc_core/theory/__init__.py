"""Statements that need no training."""
