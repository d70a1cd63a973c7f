"""The one program: ``flowledger VERB``."""

from __future__ import annotations

from service.cli import flowledger


def main() -> None:
    """Run the verb that the command line names."""
    flowledger(prog_name="flowledger")


if __name__ == "__main__":
    main()
