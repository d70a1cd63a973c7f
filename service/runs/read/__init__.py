"""The one reader: runs, lists and histories, now and as of any moment."""
