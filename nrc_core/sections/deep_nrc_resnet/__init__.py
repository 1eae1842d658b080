"""Deep NRC on ResNets."""
