"""The command line: one verb a file, found here."""

from __future__ import annotations

import importlib
import pkgutil
from importlib.metadata import version

import click


class Verbs(click.Group):
    """The verbs: every module of this package that has a ``VERB``; loaded when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name all verbs."""
        names = sorted(module.name for module in pkgutil.iter_modules(__path__))
        return [name for name in names if self.get_command(ctx, name) is not None]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a verb, or None where there is none of that name."""
        del ctx
        try:
            module = importlib.import_module(f"{__name__}.{cmd_name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{cmd_name}":
                raise
            return None
        verb: click.Command | None = getattr(module, "VERB", None)
        return verb


@click.command(cls=Verbs)
@click.version_option(version("flowledger"), prog_name="flowledger")
def flowledger() -> None:
    """Record runs of data flows as immutable events and serve them through five vendors' APIs.

    Settings are FLOWLEDGER_* variables. Without FLOWLEDGER_DATABASE_URL an embedded Postgres runs
    in FLOWLEDGER_HOME/postgres (default ./.flowledger).
    """
