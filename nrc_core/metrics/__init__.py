"""Measurements of a network: second moments at its sites, and all metrics computed from these moments."""
