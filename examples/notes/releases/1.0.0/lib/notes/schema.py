"""The schema, as steps that are never edited: step N makes version N. They run while the release before is serving."""

MIGRATIONS = (
    """
    CREATE TABLE notes (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        body text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
)
