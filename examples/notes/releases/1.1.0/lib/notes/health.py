"""Whether this machine can serve its tenant, and if not, why."""

from http import HTTPStatus
from typing import Any

import psycopg

from notes.database import Database, UnavailableError
from notes.migrate import schema_version
from notes.settings import Settings


def health(settings: Settings, database: Database) -> tuple[HTTPStatus, dict[str, Any]]:
    """Status and body of `/healthz`. `schema_version` is the database's, null where it can't be asked."""
    version: int | None = None
    try:
        with database.connection() as connection:
            version = schema_version(connection)
        detail = None
        if version < settings.schema_version:
            detail = f"the database has schema {version}, this release needs {settings.schema_version}"
    except (UnavailableError, psycopg.Error) as error:
        detail = str(error)
    body = {
        "status": "unhealthy" if detail else "ok",
        "tenant": settings.tenant,
        "purpose": settings.purpose,
        "release": settings.release,
        "schema_version": version,
        "detail": detail,
    }
    return (HTTPStatus.SERVICE_UNAVAILABLE if detail else HTTPStatus.OK), body
