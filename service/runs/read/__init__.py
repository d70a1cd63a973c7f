"""Reads runs, lists and histories, now and as of any position."""
