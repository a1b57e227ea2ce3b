"""The schema, as steps that are never edited: step N makes version N."""

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
    # No release before this one knows the new name: nobody serves meanwhile, and only a restore leads back.
    "ALTER TABLE notes RENAME COLUMN body TO content",
    # Bad on purpose: it was tried with short notes only.
    "ALTER TABLE notes ADD CONSTRAINT content_fits CHECK (length(content) <= 500)",
)
