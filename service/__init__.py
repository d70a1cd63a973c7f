"""The service: records runs of flows and serves them through the vendors' APIs."""
