"""What a process tells Prometheus: instruments that wrap what they measure, in its own registry."""
