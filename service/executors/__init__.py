"""Execution: who runs a run's tasks, and how."""
