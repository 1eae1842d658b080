"""The networks that the book trains."""
