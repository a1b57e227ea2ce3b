"""Notes in the database."""

from typing import Any

from notes.database import Database

LONGEST = 10_000
_NEWEST = 100


def newest(database: Database) -> list[dict[str, Any]]:
    """Pinned notes first, and the newest first among them and among the others."""
    with database.connection() as connection:
        rows = connection.execute(
            "SELECT id, content, created_at, pinned FROM notes ORDER BY pinned DESC, id DESC LIMIT %s", [_NEWEST]
        ).fetchall()
    return [_note(row) for row in rows]


def add(database: Database, fields: dict[str, Any]) -> dict[str, Any]:
    """Keep a note and return it. Raises ValueError for a text that can't be one."""
    body = text(fields.get("body"))
    pinned = fields.get("pinned", False)
    if not isinstance(pinned, bool):
        raise ValueError("pinned must be true or false")
    with database.connection() as connection:
        row = connection.execute(
            "INSERT INTO notes (content, pinned) VALUES (%s, %s) RETURNING id, content, created_at, pinned",
            [body, pinned],
        ).fetchone()
    return _note(row)


def toggle(database: Database, fields: dict[str, Any]) -> None:
    """Pin a note, or unpin it. Raises ValueError for what isn't the number of a note."""
    number = str(fields.get("id", ""))
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        raise ValueError("id must be the number of a note")
    with database.connection() as connection:
        connection.execute("UPDATE notes SET pinned = NOT pinned WHERE id = %s", [int(number)])


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
    return {"id": row[0], "body": row[1], "created_at": row[2].isoformat(), "pinned": row[3]}
