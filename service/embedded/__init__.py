"""The embedded Postgres: a cluster in FLOWLEDGER_HOME that all processes there share."""

from service.embedded.cluster import Cluster, EmbeddedPostgresError
from service.embedded.location import open_cluster
from service.embedded.refcount import EmbeddedPostgres, embedded_postgres

__all__ = [
    "Cluster",
    "EmbeddedPostgres",
    "EmbeddedPostgresError",
    "embedded_postgres",
    "open_cluster",
]
