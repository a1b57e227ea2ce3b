"""Tables of the ledger, the same in SQLite and PostgreSQL.

Times and JSON are text: times because SQLite has no type for them and the fixed format sorts as it reads, JSON because
the journal's hashes cover the very text that is stored. `migrations/` builds these tables; a test compares the two.
"""

import json
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa

from provisioner.model.json import canonical

HEAD = "0004"
"""Newest revision in `migrations/versions`: a ledger at it needs no alembic."""


def to_text(at: datetime) -> str:
    """ISO 8601 in UTC with microseconds: one width, so that text order is time order."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


class Time(sa.TypeDecorator[datetime]):
    """A timezone-aware moment."""

    impl = sa.String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> str | None:  # noqa: ARG002 - its form
        return None if value is None else to_text(value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else datetime.fromisoformat(value)


class Day(sa.TypeDecorator[date]):
    """A date: 2026-11-25."""

    impl = sa.String(10)
    cache_ok = True

    def process_bind_param(self, value: date | None, dialect: sa.Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else value.isoformat()

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> date | None:  # noqa: ARG002
        return None if value is None else date.fromisoformat(value)


class JsonText(sa.TypeDecorator[Any]):
    """A JSON object or list in its canonical text."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str:  # noqa: ARG002
        return canonical(value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> Any:  # noqa: ARG002
        return None if value is None else json.loads(value)


metadata = sa.MetaData()

operations = sa.Table(
    "operations",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("tenant", sa.String(64), nullable=False),
    sa.Column("target", sa.String(64), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("payload", JsonText, nullable=False),
    sa.Column("started_at", Time, nullable=False),
    sa.Column("ended_at", Time),
    sa.Column("error", sa.Text),
    sa.Column("hint", sa.Text),
    sa.Index("operations_by_tenant", "tenant", "started_at"),
    sa.Index("operations_by_time", "started_at"),
    sa.Index("operations_by_status", "status", "started_at"),
)

operation_steps = sa.Table(
    "operation_steps",
    metadata,
    sa.Column("operation_id", sa.String(64), sa.ForeignKey("operations.id"), primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("started_at", Time, nullable=False),
    sa.Column("ended_at", Time),
    sa.Column("result", JsonText, nullable=False),
    sa.Column("error", sa.Text),
)

# One row a tenant for ever: a release keeps the row, so that the token never goes back.
leases = sa.Table(
    "leases",
    metadata,
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
    sa.Column("acquired_at", Time, nullable=False),
    sa.Column("expires_at", Time, nullable=False),
    sa.Column("expires_monotonic", sa.Double, nullable=False),
)

tenants = sa.Table(
    "tenants",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("target", sa.String(64), nullable=False),
    sa.Column("lifecycle", sa.String(16), nullable=False),
    sa.Column("assigned_release", sa.String(64)),
    sa.Column("applied_digest", sa.String(64)),
    sa.Column("cause", sa.Text),
    sa.Column("updated_at", Time, nullable=False),
)

facts = sa.Table(
    "facts",
    metadata,
    sa.Column("tenant", sa.String(64), sa.ForeignKey("tenants.id"), primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", JsonText, nullable=False),
    sa.Column("at", Time, nullable=False),
)

# A row for ever: of a deleted recovery point its status says so.
recovery_points = sa.Table(
    "recovery_points",
    metadata,
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
    sa.Column("taken_at", Time, nullable=False),
    sa.Column("size_gib", sa.Integer, nullable=False),
    sa.Column("expires", Day),
    sa.Column("copies", JsonText, nullable=False),
    sa.Column("proven_at", Time),
    sa.Column("verdict", sa.String(16)),
    sa.Column("operation_id", sa.String(64)),
    sa.Index("recovery_points_by_tenant", "tenant", "taken_at"),
    sa.Index("recovery_points_by_time", "taken_at"),
)

rollouts = sa.Table(
    "rollouts",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("target", sa.String(64), nullable=False),
    sa.Column("release", sa.String(64), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("plan", JsonText, nullable=False),
    sa.Column("by", sa.String(255), nullable=False),
    sa.Column("started_at", Time, nullable=False),
    sa.Column("updated_at", Time, nullable=False),
    sa.Column("cause", sa.Text, nullable=False),
    sa.Column("hint", sa.Text),
    sa.Column("until", Time),
    sa.Column("pause", sa.Text),
    sa.Column("abort", sa.Text),
    sa.Column("rollback", sa.Boolean, nullable=False),
    sa.Column("moves_channel", sa.Boolean, nullable=False),
    sa.Index("rollouts_by_time", "started_at"),
)

# `open`: the tenant, as long as the rollout isn't over.
rollout_steps = sa.Table(
    "rollout_steps",
    metadata,
    sa.Column("rollout", sa.String(64), sa.ForeignKey("rollouts.id"), primary_key=True),
    sa.Column("tenant", sa.String(64), primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("cause", sa.Text),
    sa.Column("ended_at", Time),
    sa.Column("not_before", Time),
    sa.Column("operation", sa.String(64)),
    sa.Column("wish", sa.String(16)),
    sa.Column("open", sa.String(64), unique=True),
)

# What needed a person when it was looked last; the newest look is `seen_at`.
needs = sa.Table(
    "needs",
    metadata,
    sa.Column("tenant", sa.String(64), primary_key=True),
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("detail", JsonText, nullable=False),
    sa.Column("since", Time, nullable=False),
    sa.Column("seen_at", Time, nullable=False),
)

# The outbox of webhooks.
notices = sa.Table(
    "notices",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("endpoint", sa.String(64), nullable=False),
    sa.Column("body", JsonText, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("made_at", Time, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", Time, nullable=False),
    sa.Column("error", sa.Text),
    sa.Index("notices_by_status", "status", "next_at"),
)

# Append-only: triggers in both databases forbid UPDATE and DELETE.
journal = sa.Table(
    "journal",
    metadata,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", Time, nullable=False),
    sa.Column("tenant", sa.String(64)),
    sa.Column("operation_id", sa.String(64)),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("detail", JsonText, nullable=False),
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Index("journal_by_tenant", "tenant", "number"),
    sa.Index("journal_by_kind", "kind", "number"),
)
