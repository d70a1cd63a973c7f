"""Logging: structlog as JSON lines or for a console, to stderr, with secrets redacted."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final, TextIO

import structlog
from structlog.typing import Processor, WrappedLogger

from service.settings import LogFormat, LogLevel

REDACTED: Final = "[redacted]"

_SECRET_NAME: Final = re.compile(
    r"authorization|api[-_]?key|access[-_]?key|token|password|passwd|secret|signature|cookie|dsn"
    r"|database_url",
    re.IGNORECASE,
)
_SAFE_KEYS: Final = frozenset({"event", "exception", "key_id"})
_SECRETS_IN_TEXT: Final = (
    # A header or a pair in text: `Authorization: Bearer x`, `x-api-key=x`, `"token": "x"`.
    re.compile(
        r"""(?ix)
        (\b(?:proxy-)?authorization\b["']?\s*[:=]\s*["']?
        |\b[\w-]*(?:api[-_]?key|access[-_]?key|token|password|secret|signature)[\w-]*["']?\s*[:=]\s*["']?)
        (?:(?:bearer|basic|digest)(?:\s|%20|\+)+)?
        [^\s&"',;}\]]+
        """
    ),
    re.compile(r"(?i)(\b(?:bearer|basic)(?:\s|%20|\+)+)[\w.~+/=-]{8,}"),
    re.compile(r"()\bfl_[A-Za-z0-9_-]{16,}"),
    # The password in a database's address.
    re.compile(r"(\bpostgres(?:ql)?://[^\s:/@]*:)[^\s@]+(?=@)"),
)


def configure_logs(*, format: LogFormat, level: LogLevel, stream: TextIO | None = None) -> None:  # noqa: A002 - as the setting is named
    """Send all logs of this process, also of libraries, to one stream (default: stderr)."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    )
    handler = _Handler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=_final_processors(format),
        )
    )
    root = logging.getLogger()
    root.handlers = [*(h for h in root.handlers if not isinstance(h, _Handler)), handler]
    root.setLevel(level.upper())
    # At each try to reconnect a pool the driver warns with a traceback. Our tasks say it in a line.
    logging.getLogger("asyncpg").setLevel(logging.ERROR)


class _Handler(logging.StreamHandler[TextIO]):
    """Marks our handler, so that configuring again replaces only this one."""


def redact(
    _logger: WrappedLogger, _method: str, entry: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Redact secrets, recognised by name or by shape, at any depth of a log entry."""
    for key, value in entry.items():
        entry[key] = _redacted(key, value)
    return entry


def redact_text(text: str) -> str:
    """Redact credentials in a text: headers, query parameters, tokens, database passwords.

    >>> redact_text("GET /rest/v1/executions/1?Authorization=Bearer%20abc&auditId=2")
    'GET /rest/v1/executions/1?Authorization=[redacted]&auditId=2'
    """
    for pattern in _SECRETS_IN_TEXT:
        text = pattern.sub(rf"\1{REDACTED}", text)
    return text


def _redacted(key: object, value: Any) -> Any:  # noqa: ANN401 - whatever is logged
    if isinstance(key, str) and key not in _SAFE_KEYS and _SECRET_NAME.search(key):
        return REDACTED
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, dict):
        return {k: _redacted(k, v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(None, v) for v in value]
    return value


def _final_processors(format: LogFormat) -> list[Processor]:  # noqa: A002 - as the setting is named
    before: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        redact,
    ]
    if format == "json":
        return [*before, structlog.processors.JSONRenderer(default=str)]
    return [*before, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
