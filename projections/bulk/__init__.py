"""Loads the tables of a new version from the whole history of the log."""
