"""Takes commands, decides them and appends their events."""
