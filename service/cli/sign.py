"""``flowledger sign``: the headers that sign a request to NAVER Data Flow (signature v2)."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from service.dialects.naver.auth import ACCESS_KEY, SIGNATURE, TIMESTAMP, sign, target

_URL: Final = re.compile(r"(?:https?://[^/?#\s]+)?(?:/[!-~]*)?")
_METHOD: Final = re.compile("[A-Za-z]+")
_MILLISECONDS: Final = re.compile("[0-9]{1,19}")


@click.command("sign")
@click.argument("method")
@click.argument("url")
@click.option(
    "--keys",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file that 'flowledger keys create --json' has written.",
)
@click.option("--access-key", envvar="NCLOUD_ACCESS_KEY", show_envvar=True)
@click.option(
    "--secret-key",
    envvar="NCLOUD_SECRET_KEY",
    show_envvar=True,
    help="Others on this machine can read it off the command line: rather use the environment.",
)
@click.option("--timestamp", help="Milliseconds since 1970; now, if left out.")
@click.option("--curl", is_flag=True, help="Print a curl command that sends the request.")
def sign_request(
    method: str,
    url: str,
    *,
    keys: Path | None,
    access_key: str | None,
    secret_key: str | None,
    timestamp: str | None,
    curl: bool,
) -> None:
    """Print the headers that sign a request to NAVER Data Flow; they hold for five minutes.

    URL is what will be sent, percent-encoded and with its query: METHOD, path and query are
    signed as they are written.
    """
    at_ms = _timestamp(timestamp)
    uri = _uri(url)
    if not _METHOD.fullmatch(method):
        raise click.BadParameter("must be letters, as in GET", param_hint="METHOD")
    access, secret = _pair(keys) if keys else (access_key, secret_key)
    if not access or not secret:
        raise click.UsageError(
            "no key: give --keys FILE, or set NCLOUD_ACCESS_KEY and NCLOUD_SECRET_KEY"
        )
    signature = sign(method.upper(), uri, at_ms, access, secret)
    headers = {TIMESTAMP: at_ms, ACCESS_KEY: access, SIGNATURE: signature}
    if curl:
        click.echo(_curl(method.upper(), url, headers))
        return
    for name, value in headers.items():
        click.echo(f"{name}: {value}")


def _timestamp(text: str | None) -> str:
    if text is None:
        return str(time.time_ns() // 1_000_000)
    if not _MILLISECONDS.fullmatch(text):
        raise click.BadParameter("must be milliseconds since 1970", param_hint="--timestamp")
    return text


def _uri(url: str) -> str:
    if not url or not _URL.fullmatch(url) or "#" in url:
        raise click.BadParameter(
            "must be an address or a path as it is sent: percent-encoded, without '#'",
            param_hint="URL",
        )
    return target(url) or "/"


def _pair(file: Path) -> tuple[str, str]:
    try:
        key = json.loads(file.read_bytes())
        return str(key["access_key"]), str(key["secret_key"])
    except (ValueError, TypeError, KeyError) as error:
        raise click.BadParameter(
            f"{file} holds no access_key and secret_key as JSON", param_hint="--keys"
        ) from error


def _curl(method: str, url: str, headers: Mapping[str, str]) -> str:
    if url.startswith("/"):
        raise click.BadParameter("--curl needs the whole address, with http", param_hint="URL")
    # As it is signed: curl would else resolve dots in the path and read brackets as a pattern.
    asking = ["--head"] if method == "HEAD" else ["-X", method]
    words = ["curl", "-sS", "--path-as-is", "--globoff", *asking]
    for name, value in headers.items():
        words += ["-H", f"{name}: {value}"]
    return shlex.join([*words, url])


VERB = sign_request
