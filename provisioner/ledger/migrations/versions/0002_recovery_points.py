"""Recovery points; evidence in the journal is found by its kind."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """One more table, and an index of the journal; nothing that is there changes."""
    op.create_table(
        "recovery_points",
        sa.Column("id", sa.String(255), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("target", sa.String(64), nullable=False),
        sa.Column("region", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("database", sa.String(255), nullable=False),
        sa.Column("release", sa.String(64), nullable=False),
        sa.Column("schema_version", sa.Integer, nullable=False),
        sa.Column("config_digest", sa.String(64)),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("taken_at", sa.String(32), nullable=False),
        sa.Column("size_gib", sa.Integer, nullable=False),
        sa.Column("expires", sa.String(10)),
        sa.Column("copies", sa.Text, nullable=False),
        sa.Column("proven_at", sa.String(32)),
        sa.Column("verdict", sa.String(16)),
        sa.Column("operation_id", sa.String(64)),
    )
    op.create_index("recovery_points_by_tenant", "recovery_points", ["tenant", "taken_at"])
    op.create_index("recovery_points_by_time", "recovery_points", ["taken_at"])
    op.create_index("journal_by_kind", "journal", ["kind", "number"])
