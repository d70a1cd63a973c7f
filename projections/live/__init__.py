"""Keeps the read models up to date while the service runs."""
