"""What one run is: a frozen, validated configuration, one class for each kind of run."""
