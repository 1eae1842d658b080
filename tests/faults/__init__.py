"""Deliberate faults: malformed inputs, kills, two builds at once, a full disk; `python -m tests.faults` counts them."""
