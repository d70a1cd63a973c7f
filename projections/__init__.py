"""The read models: tables rebuilt from the log, and the runner that keeps them."""
