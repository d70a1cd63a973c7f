"""Checks a ledger from outside: what is wrong, and what cures it."""
