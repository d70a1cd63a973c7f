"""Our own API under /v1: runs, reports, flows, events and read models."""
