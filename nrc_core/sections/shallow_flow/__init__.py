"""Gradient flow on two-layer ReLU networks for classes."""
