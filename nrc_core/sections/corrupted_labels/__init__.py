"""Training with wrong labels: cross entropy against coding-rate reduction, and margins over training."""
