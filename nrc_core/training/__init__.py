"""Training and measurement of networks from their configurations and data."""
