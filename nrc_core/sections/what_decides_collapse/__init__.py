"""Networks that differ from the recipe in one respect each."""
