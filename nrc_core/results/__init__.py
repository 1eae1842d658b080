"""The store of runs, and what is read from it."""
