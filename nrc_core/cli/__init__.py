"""The command line `nrc`: `parser` declares all commands; each has a module of its name with a function `execute`."""
