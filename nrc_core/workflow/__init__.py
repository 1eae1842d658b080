"""Check and execute notebooks and profiles, and make pages from them."""
