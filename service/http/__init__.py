"""HTTP: what all front doors share."""
