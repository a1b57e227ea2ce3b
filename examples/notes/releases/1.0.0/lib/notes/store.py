"""Notes in the database."""

from typing import Any

from notes.database import Database

LONGEST = 10_000
_NEWEST = 100


def newest(database: Database) -> list[dict[str, Any]]:
    """The newest notes first."""
    with database.connection() as connection:
        rows = connection.execute(
            "SELECT id, body, created_at FROM notes ORDER BY id DESC LIMIT %s", [_NEWEST]
        ).fetchall()
    return [_note(row) for row in rows]


def add(database: Database, fields: dict[str, Any]) -> dict[str, Any]:
    """Keep a note and return it. Raises ValueError for a text that can't be one."""
    body = text(fields.get("body"))
    with database.connection() as connection:
        row = connection.execute(
            "INSERT INTO notes (body) VALUES (%s) RETURNING id, body, created_at", [body]
        ).fetchone()
    return _note(row)


def text(value: object) -> str:
    """What PostgreSQL can keep and a person can read."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("body must be a text that is not empty")
    if len(value) > LONGEST:
        raise ValueError(f"body must have at most {LONGEST} characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("body must be Unicode text") from None
    if "\x00" in value:
        raise ValueError("body must have no NUL character")
    return value.strip()


def _note(row: Any) -> dict[str, Any]:
    return {"id": row[0], "body": row[1], "created_at": row[2].isoformat()}
