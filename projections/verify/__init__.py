"""Verifies that a version of a read model is what the log says."""
