"""The first ledger: operations, leases, tenants, facts, the append-only journal."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_FORBID_SQLITE = """
CREATE TRIGGER journal_no_{verb} BEFORE {verb} ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END
"""
_FORBID_POSTGRESQL = (
    """
CREATE FUNCTION journal_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the journal is append-only'; END $$
""",
    """
CREATE TRIGGER journal_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON journal
FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only()
""",
)


def upgrade() -> None:
    """Make the tables; forbid changes of the journal."""
    _operations()
    _tenants()
    op.create_table(
        "journal",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("tenant", sa.String(64)),
        sa.Column("operation_id", sa.String(64)),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.create_index("journal_by_tenant", "journal", ["tenant", "number"])
    if op.get_bind().dialect.name == "sqlite":
        statements = tuple(_FORBID_SQLITE.format(verb=verb) for verb in ("UPDATE", "DELETE"))
    else:
        statements = _FORBID_POSTGRESQL
    for statement in statements:
        op.execute(statement)


def _operations() -> None:
    op.create_table(
        "operations",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("target", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("started_at", sa.String(32), nullable=False),
        sa.Column("ended_at", sa.String(32)),
        sa.Column("error", sa.Text),
        sa.Column("hint", sa.Text),
    )
    op.create_index("operations_by_tenant", "operations", ["tenant", "started_at"])
    op.create_index("operations_by_time", "operations", ["started_at"])
    op.create_table(
        "operation_steps",
        sa.Column("operation_id", sa.String(64), sa.ForeignKey("operations.id"), primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("started_at", sa.String(32), nullable=False),
        sa.Column("ended_at", sa.String(32)),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
    )


def _tenants() -> None:
    op.create_table(
        "leases",
        sa.Column("tenant", sa.String(64), primary_key=True),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("held", sa.Boolean, nullable=False),
        sa.Column("operation_id", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("boot_id", sa.String(128), nullable=False),
        sa.Column("pid", sa.BigInteger, nullable=False),
        sa.Column("pid_started", sa.String(32), nullable=False),
        sa.Column("user", sa.String(255), nullable=False),
        sa.Column("acquired_at", sa.String(32), nullable=False),
        sa.Column("expires_at", sa.String(32), nullable=False),
        sa.Column("expires_monotonic", sa.Double, nullable=False),
    )
    op.create_table(
        "tenants",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("target", sa.String(64), nullable=False),
        sa.Column("lifecycle", sa.String(16), nullable=False),
        sa.Column("assigned_release", sa.String(64)),
        sa.Column("applied_digest", sa.String(64)),
        sa.Column("cause", sa.Text),
        sa.Column("updated_at", sa.String(32), nullable=False),
    )
    op.create_table(
        "facts",
        sa.Column("tenant", sa.String(64), sa.ForeignKey("tenants.id"), primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
    )
