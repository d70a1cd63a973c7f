"""Chooses the version of each read model that answers, and reports how far it lags."""
