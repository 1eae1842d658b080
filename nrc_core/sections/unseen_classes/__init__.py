"""Features of classes that training never saw, by the number of classes that it saw."""
