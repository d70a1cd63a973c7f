"""The verbs of ``flowledger projections``, one a file."""
