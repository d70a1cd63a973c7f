"""Folds long stretches of history into new tables."""
