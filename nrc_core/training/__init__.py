"""From a configuration and its data to a trained network and its tables."""
