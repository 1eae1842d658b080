"""Losses and the onset of collapse."""
