"""The command line `nrc`: `parser` declares every command, and the module of its name has `execute`."""
