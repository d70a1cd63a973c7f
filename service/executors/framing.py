"""Frames between a worker and its child processes: a length of four bytes, then JSON."""

from __future__ import annotations

import asyncio
import signal
import socket
import struct
from typing import Any, Final

import orjson

PING: Final = {"type": "hello"}
"""A message that a child sends back once its tasks are loaded."""

_LENGTH: Final = struct.Struct(">I")


def frame(message: dict[str, Any]) -> bytes:
    """Encode a message as a frame.

    Raises:
        TypeError: a value cannot be encoded as JSON.
    """
    body = orjson.dumps(message)
    return _LENGTH.pack(len(body)) + body


async def receive(reader: asyncio.StreamReader) -> dict[str, Any]:
    """Read one frame.

    Raises:
        asyncio.IncompleteReadError: the other side is gone.
    """
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    message: dict[str, Any] = orjson.loads(await reader.readexactly(length))
    return message


def describe_exit(status: int) -> str:
    """Describe how a process ended, from the status of `wait`.

    >>> describe_exit(-9), describe_exit(3)
    ('by SIGKILL', 'with exit status 3')
    """
    return f"by {signal.Signals(-status).name}" if status < 0 else f"with exit status {status}"


def receive_blocking(sock: socket.socket) -> dict[str, Any] | None:
    """Read one frame; None if the other side is gone."""
    head = _receive_exactly(sock, _LENGTH.size)
    if head is None:
        return None
    body = _receive_exactly(sock, _LENGTH.unpack(head)[0])
    if body is None:
        return None
    message: dict[str, Any] = orjson.loads(body)
    return message


def _receive_exactly(sock: socket.socket, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        part = sock.recv(size - len(parts))
        if not part:
            return None
        parts += part
    return bytes(parts)
