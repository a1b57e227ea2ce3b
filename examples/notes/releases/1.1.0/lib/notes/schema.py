"""The schema, as steps that are never edited: step N makes version N. They run while the release before is serving."""

MIGRATIONS = (
    """
    CREATE TABLE notes (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        body text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    # A constant default rewrites no row, and 1.0.0, which doesn't know the column, goes on writing.
    "ALTER TABLE notes ADD COLUMN pinned boolean NOT NULL DEFAULT false",
)
