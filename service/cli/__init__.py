"""The command line: each module of this package with a ``VERB`` is a verb."""

from __future__ import annotations

import importlib
import pkgutil
from importlib.metadata import version

import click


class Verbs(click.Group):
    """Finds the verbs, and imports the module of a verb only when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the names of all verbs."""
        names = sorted(module.name for module in pkgutil.iter_modules(__path__))
        return [name for name in names if self.get_command(ctx, name) is not None]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb; return None for an unknown name."""
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
