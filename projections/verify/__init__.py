"""Compares read models with the log and with each other."""
