"""Networks that are trained for the book."""
