"""HTTP: what all APIs share."""
