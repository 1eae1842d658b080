"""What decides collapse: the exposure of a network to weight decay."""
