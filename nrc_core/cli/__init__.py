"""The command line `nrc`, a module a command: `HELP`, `add_arguments` and `execute`."""
