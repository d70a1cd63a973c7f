"""Metrics for Prometheus; each instrument wraps what it measures, in a registry per process."""
