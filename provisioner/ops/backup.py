"""`provision backup create`: a recovery point of each selected tenant, now or because its schedule says so."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from provisioner.model.change import Event, EventKind
from provisioner.model.errors import ProvisionError, UsageError
from provisioner.model.json import JsonDict
from provisioner.model.ledger import Operation
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import OperationDefinition, OperationStepDefinition, Progress, StepContext
from provisioner.model.recovery import PointKind, PointStatus, RecoveryPoint
from provisioner.model.tenant import Tenant
from provisioner.ops.cut_off import cut_off, release_of, upgrading, way_on, way_out
from provisioner.ops.desired import confirm_caller, freeze, present_args
from provisioner.ops.house import House, RegistryView
from provisioner.ops.many import each
from provisioner.ops.operations import CHANGING, new_id, resume, supersede, unfinished
from provisioner.ops.points import Points, wanted


@dataclass(frozen=True, slots=True)
class Backed:
    """How the backup of one tenant ended."""

    tenant: str
    point: RecoveryPoint | None
    error: ProvisionError | None = None


def create(
    house: House, registry: RegistryView, tenants: Sequence[Tenant], progress: Progress, *, at_once: int = 8
) -> list[Backed]:
    """A recovery point of each. One that can't be backed up is an answer, not an end."""

    def one(tenant: Tenant) -> Backed:
        try:
            return Backed(tenant.id, create_one(house, registry, tenant, progress))
        except ProvisionError as error:
            return Backed(tenant.id, None, error)

    return each(house, tenants, one, at_once=at_once)


def create_one(
    house: House,
    registry: RegistryView,
    tenant: Tenant,
    progress: Progress,
    *,
    kind: PointKind = PointKind.MANUAL,
    operation_id: str | None = None,
) -> RecoveryPoint:
    """A recovery point of one tenant. One that a killed process had begun goes on; so does the one of `operation_id`.
    Raises UsageError for a tenant that isn't active."""
    waiting = unfinished(house, tenant.id, "backup")
    if waiting is not None and _outdated(house, waiting):
        waiting, operation_id = None, None
    if waiting is not None and operation_id in (None, waiting.id):
        result = resume(house, waiting.id, progress)
    else:
        payload = propose(house, registry, tenant, kind, operation_id or new_id(house.clock))
        _warn_cut_off(house, tenant.id, progress)
        confirm_caller(house, payload, progress)
        result = house.operations.run("backup", str(payload["operation"]), tenant.id, payload, progress)
    found = house.ledger.point(str(result["point"]))
    if found is None:
        raise ProvisionError(f"recovery point {result['point']} is not in the ledger", hint="provision backup list")
    return found


def _warn_cut_off(house: House, tenant_id: str, progress: Progress) -> None:
    """A tenant that serves on goes without no backup because its restore or its upgrade was cut off, but somebody
    should know."""
    upgrade = upgrading(house, tenant_id)
    restore = cut_off(house, tenant_id) if upgrade is None else None
    words = f"its restore {restore.id} was cut off: {way_out(restore)}" if restore else None
    if upgrade is not None:
        words = f"its upgrade {upgrade.id} to {release_of(upgrade)} was cut off: {way_on(house, upgrade)}"
    if words:
        progress(Event(EventKind.MESSAGE, tenant_id, "backup", message=words))


def _outdated(house: House, waiting: Operation) -> bool:
    """Whether the tenant was changed since a backup began: what it froze may be of another database. Then it is over,
    and so is its point."""
    newest = next(iter(house.ledger.operations(tenant=waiting.tenant, kinds=CHANGING, limit=1)), None)
    if newest is None or newest.started_at <= waiting.started_at:
        return False
    supersede(house, waiting, f"{newest.kind} {newest.id} changed the tenant meanwhile")
    part: Any = waiting.payload["point"]
    point = house.ledger.point(str(part["id"]))
    if point is not None and point.status is PointStatus.CREATING:
        house.ledger.save_point(replace(point, status=PointStatus.FAILED))
    return True


def propose(
    house: House, registry: RegistryView, tenant: Tenant, kind: PointKind, operation_id: str, *, days: int | None = None
) -> JsonDict:
    """The frozen input of an operation that makes a recovery point."""
    release = active(house, tenant.id, "backed up")
    args = present_args(house, registry, tenant, release)
    part = wanted(tenant.id, tenant.backup, operation_id, kind, house.clock.now(), days=days)
    return freeze(house, registry, tenant, args, point=part, operation=operation_id)


def active(house: House, tenant_id: str, what: str, *also: Lifecycle) -> str:
    """The assigned release of a tenant that is active. Raises UsageError for any other."""
    record = house.ledger.tenant(tenant_id)
    if record is None or record.assigned_release is None or record.lifecycle not in (Lifecycle.ACTIVE, *also):
        state = str(record.lifecycle) if record else "not made yet"
        upgrade = upgrading(house, tenant_id)
        restore = cut_off(house, tenant_id) if upgrade is None else None
        hint = way_out(restore) if restore else f"provision show {tenant_id}"
        hint = way_on(house, upgrade) if upgrade else hint
        raise UsageError(f"tenant {tenant_id} can't be {what}: it is {state}", hint=hint)
    return record.assigned_release


class Backup:
    """Steps of `backup`, over one house."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._points = Points(house)

    def definitions(self) -> dict[str, OperationDefinition]:
        """The kind by name."""
        steps = (*self._points.steps(), OperationStepDefinition("finish", self.finish))
        return {"backup": OperationDefinition("backup", "a recovery point is being made", steps)}

    def finish(self, ctx: StepContext) -> JsonDict:
        """Whether it is there, and where else."""
        made = ctx.results["snapshot"]
        return {"point": made["point"], "taken_at": made["taken_at"], "copied": ctx.results["copy"]["copied"]}
