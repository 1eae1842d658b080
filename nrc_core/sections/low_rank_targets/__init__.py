"""Targets of lower rank than their number."""
