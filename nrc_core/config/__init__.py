"""Configuration of one run: a frozen, validated data class, one class for each kind of run."""
