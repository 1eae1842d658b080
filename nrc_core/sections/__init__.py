"""The sections of the book: their experiments, tables and figures."""
