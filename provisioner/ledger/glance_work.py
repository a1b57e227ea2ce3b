"""What is under way in a SQLite ledger, without SQLAlchemy (see `glance`)."""

import sqlite3
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from provisioner.ledger.glance import looked
from provisioner.ledger.holder import current_holder, proven_dead, same_boot
from provisioner.model.fleet.work import Rolling, RollingStep, Task, Work
from provisioner.model.ledger import Holder, OperationStatus
from provisioner.model.rollout.states import OVER, RolloutStatus, StepState


def read_work(url: str, kinds: Sequence[str], unfinished: Sequence[OperationStatus]) -> Work | None:
    """What `ops.fleet.work_of` gives. None where this can't tell: then open the ledger."""
    return looked(url, lambda connection: _work(connection, kinds, unfinished))


def _work(connection: sqlite3.Connection, kinds: Sequence[str], unfinished: Sequence[OperationStatus]) -> Work:
    held = _held(connection)
    return Work(_tasks(connection, held, kinds, unfinished), tuple(_rollouts(connection, held)))


def _held(connection: sqlite3.Connection) -> set[str]:
    """Whose leases are held now; by the rules of `leases`."""
    query = "SELECT tenant, host, boot_id, pid, pid_started, user, expires_at, expires_monotonic FROM leases WHERE held"
    rows = connection.execute(query).fetchall()
    if not rows:
        return set()
    here, now, monotonic = current_holder(), datetime.now(UTC), time.monotonic()
    found = set()
    for tenant, host, boot_id, pid, started, user, expires_at, expires_monotonic in rows:
        holder = Holder(host, boot_id, pid, started, user)
        live = expires_monotonic > monotonic if same_boot(holder, here) else datetime.fromisoformat(expires_at) > now
        if live and not proven_dead(holder, here):
            found.add(tenant)
    return found


def _tasks(
    connection: sqlite3.Connection, held: set[str], kinds: Sequence[str], unfinished: Sequence[OperationStatus]
) -> Mapping[str, Task]:
    tenants = connection.execute(
        f"SELECT DISTINCT tenant FROM operations WHERE status IN ({_marks(unfinished)})",  # noqa: S608 - marks only
        list(map(str, unfinished)),
    ).fetchall()
    newest = (
        "SELECT id, kind, tenant, status, started_at, error, hint FROM operations "  # noqa: S608 - marks only
        f"WHERE tenant = ? AND kind IN ({_marks(kinds)}) ORDER BY started_at DESC, id DESC LIMIT 1"
    )
    found = {}
    for (name,) in tenants:
        row = connection.execute(newest, [name, *kinds]).fetchone()
        if row is not None and row[3] in unfinished:
            task_id, kind, tenant, status, at, error, hint = row
            began = datetime.fromisoformat(at)
            found[tenant] = Task(task_id, kind, tenant, OperationStatus(status), began, tenant in held, error, hint)
    return found


def _rollouts(connection: sqlite3.Connection, held: set[str]) -> list[Rolling]:
    rows = connection.execute(
        "SELECT id, json_extract(plan, '$.work'), release, status, cause, hint, updated_at FROM rollouts "  # noqa: S608 - marks only
        f"WHERE status NOT IN ({_marks(OVER)}) ORDER BY started_at DESC, id DESC",
        sorted(map(str, OVER)),
    ).fetchall()
    return [
        Rolling(
            rollout_id,
            work or "upgrade",
            release,
            RolloutStatus(status),
            cause,
            hint,
            datetime.fromisoformat(at),
            f"rollout/{rollout_id}" in held,
            _steps(connection, rollout_id),
        )
        for rollout_id, work, release, status, cause, hint, at in rows
    ]


def _steps(connection: sqlite3.Connection, rollout_id: str) -> tuple[RollingStep, ...]:
    query = "SELECT tenant, state, cause FROM rollout_steps WHERE rollout = ? ORDER BY position"
    rows = connection.execute(query, [rollout_id])
    return tuple(RollingStep(tenant, StepState(state), cause) for tenant, state, cause in rows)


def _marks(values: Collection[str]) -> str:
    return ", ".join("?" for _ in values)
