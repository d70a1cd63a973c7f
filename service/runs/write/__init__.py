"""The one writer: takes commands, decides and appends."""
