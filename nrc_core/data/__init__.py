"""Data sets: which there are, where they are, and how they become tensors."""
