"""Routes queries to the serving version of each read model, and measures the versions' lag."""
