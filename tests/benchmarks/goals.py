"""The goals: ratios within one run, on two processors that the load generator shares."""

from __future__ import annotations

START = 0.25
"""Durable starts at 256 connections, of a bare aiohttp handler."""

STATUS = 0.5
"""Status reads, of a bare aiohttp handler."""

APPEND = 0.5
"""Appends from 256 callers, of a COPY of the same rows."""
