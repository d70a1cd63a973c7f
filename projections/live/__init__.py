"""Follows the log and keeps the read models up to date."""
