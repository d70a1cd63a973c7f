"""Commands, the state of a run, and the decider. Pure code, no I/O."""
