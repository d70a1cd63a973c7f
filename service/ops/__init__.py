"""What operators use: supervision, logs, migrations, paused read models, rebuilds."""
