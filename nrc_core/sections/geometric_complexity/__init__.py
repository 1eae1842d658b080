"""Geometric complexity of feature maps, and how far it goes with collapse."""
