"""Rollouts, and where each of their tenants is."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Two more tables; nothing that is there changes."""
    op.create_table(
        "rollouts",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("target", sa.String(64), nullable=False),
        sa.Column("release", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("by", sa.String(255), nullable=False),
        sa.Column("started_at", sa.String(32), nullable=False),
        sa.Column("updated_at", sa.String(32), nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("hint", sa.Text),
        sa.Column("until", sa.String(32)),
        sa.Column("pause", sa.Text),
        sa.Column("abort", sa.Text),
        sa.Column("rollback", sa.Boolean, nullable=False),
        sa.Column("moves_channel", sa.Boolean, nullable=False),
    )
    op.create_index("rollouts_by_time", "rollouts", ["started_at"])
    op.create_table(
        "rollout_steps",
        sa.Column("rollout", sa.String(64), sa.ForeignKey("rollouts.id"), primary_key=True),
        sa.Column("tenant", sa.String(64), primary_key=True),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("cause", sa.Text),
        sa.Column("ended_at", sa.String(32)),
        sa.Column("not_before", sa.String(32)),
        sa.Column("operation", sa.String(64)),
        sa.Column("wish", sa.String(16)),
        sa.Column("open", sa.String(64), unique=True),
    )
