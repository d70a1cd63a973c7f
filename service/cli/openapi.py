"""``flowledger openapi``: print the OpenAPI document."""

from __future__ import annotations

import click

from service.http.discovery import discover
from service.http.openapi import document, render


@click.command()
def openapi() -> None:
    """Print the OpenAPI 3.1 document of all that is served."""
    click.echo(render(document(discover())), nl=False)


VERB = openapi
