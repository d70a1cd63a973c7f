"""``flowledger openapi``: print the OpenAPI document."""

from __future__ import annotations

import click

from service.apis import discover
from service.http.openapi.pages import Pages


@click.command()
def openapi() -> None:
    """Print the OpenAPI 3.1 document of all APIs."""
    click.echo(Pages(discover()).openapi_yaml, nl=False)


VERB = openapi
