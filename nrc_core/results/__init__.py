"""The store of runs, and the results that are read from it."""
