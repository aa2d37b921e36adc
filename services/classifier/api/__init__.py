"""The classifier's HTTP surfaces."""
