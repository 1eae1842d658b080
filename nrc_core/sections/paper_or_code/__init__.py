"""The same networks by three definitions of the metrics."""
