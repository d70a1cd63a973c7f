"""What may happen to a run: commands, state and decisions. Pure code, no I/O."""
