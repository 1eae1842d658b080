"""From executed notebooks, claims and re-checks to the book: what the build calls, and the pages that are made."""
