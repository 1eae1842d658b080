"""The commands of `nrc`, a module each: `HELP`, `add_arguments` and `execute`.

They import what they need when they are executed, as torch, pandas and papermill take seconds.
"""
