"""The log: an append-only, hash-leaved store of events in Postgres."""
