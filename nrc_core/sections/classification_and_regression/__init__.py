"""Classification beside regression."""
