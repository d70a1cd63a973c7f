"""Our own API under /v1: runs, reports, flows, events and read models."""

from service.api.dialect import OwnApi

DIALECT = OwnApi()
