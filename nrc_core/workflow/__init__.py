"""Notebooks and profiles: checked, executed, made into pages."""
