"""Ingest's HTTP surfaces."""
