"""Deep NRC on MLPs."""
