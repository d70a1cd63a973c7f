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

from service.dialects.naver.auth import ACCESS_KEY, SIGNATURE, TIMESTAMP, sign, signed_target

_URL: Final = re.compile(r"(?:https?://[^/?#\s]+)?(?:/[!-~]*)?")
_METHOD: Final = re.compile("[A-Za-z]+")
_MILLISECONDS: Final = re.compile("[0-9]{1,19}")


@click.command("sign")
@click.argument("method")
@click.argument("url")
@click.option(
    "--keys",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The output of `flowledger keys create --json`, as a file.",
)
@click.option("--access-key", envvar="NCLOUD_ACCESS_KEY", show_envvar=True)
@click.option(
    "--secret-key",
    envvar="NCLOUD_SECRET_KEY",
    show_envvar=True,
    help="Prefer the environment: other users of this machine can read your command line.",
)
@click.option("--timestamp", help="Milliseconds since 1970; default: now.")
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
    """Print the headers that sign a request to the NAVER API; they expire after five minutes.

    Give URL exactly as it will be sent, percent-encoded and with its query: the signature covers
    METHOD, path and query.
    """
    at_ms = _timestamp(timestamp)
    uri = _uri(url)
    if not _METHOD.fullmatch(method):
        raise click.BadParameter(
            f"is {method!r}; give an HTTP method such as GET", param_hint="METHOD"
        )
    access, secret = _pair(keys) if keys else (access_key, secret_key)
    if not access or not secret:
        raise click.UsageError(
            "there is no key: give --keys FILE, or set NCLOUD_ACCESS_KEY and NCLOUD_SECRET_KEY"
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
        raise click.BadParameter(
            f"is {text!r}; give milliseconds since 1970", param_hint="--timestamp"
        )
    return text


def _uri(url: str) -> str:
    if not url or not _URL.fullmatch(url) or "#" in url:
        raise click.BadParameter(
            f"is {url!r}; give an address or a path as it is sent: percent-encoded, without '#'",
            param_hint="URL",
        )
    return signed_target(url) or "/"


def _pair(file: Path) -> tuple[str, str]:
    try:
        key = json.loads(file.read_bytes())
        return str(key["access_key"]), str(key["secret_key"])
    except (ValueError, TypeError, KeyError) as error:
        raise click.BadParameter(
            f"{file} is not JSON with access_key and secret_key;"
            " give the output of `flowledger keys create --json`",
            param_hint="--keys",
        ) from error


def _curl(method: str, url: str, headers: Mapping[str, str]) -> str:
    if url.startswith("/"):
        raise click.BadParameter(
            f"is {url!r}; --curl needs the whole address, with http:// or https://",
            param_hint="URL",
        )
    # Send what was signed: curl would resolve dots in the path, and read brackets as a pattern.
    asking = ["--head"] if method == "HEAD" else ["-X", method]
    words = ["curl", "-sS", "--path-as-is", "--globoff", *asking]
    for name, value in headers.items():
        words += ["-H", f"{name}: {value}"]
    return shlex.join([*words, url])


VERB = sign_request
