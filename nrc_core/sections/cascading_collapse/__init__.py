"""When each layer collapses."""
