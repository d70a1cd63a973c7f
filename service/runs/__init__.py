"""Runs: deciding commands about them, writing their events, reading their state."""
