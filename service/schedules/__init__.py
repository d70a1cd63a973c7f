"""Starts flows at their due times, and removes old runs from lists."""
