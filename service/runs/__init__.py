"""The runs: commands, the decider, the one writer and the one reader."""
