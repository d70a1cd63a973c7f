"""What the read models show of runs, tasks and flows, folded from events."""
