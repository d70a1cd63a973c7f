"""The log as files: export, the checks of what was exported, and import into an empty ledger."""
