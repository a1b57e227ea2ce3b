"""Making a recovery point: the steps that `backup`, `restore`, `suspend` and `offboard` have in common.

The payload's `point` says which: its id (the snapshot's name too), its kind, until when it is kept, where it is copied.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from provisioner.model.change import Event, EventKind
from provisioner.model.cloud import Snapshot
from provisioner.model.errors import CancelledError, LeaseLostError, ProvisionError, RefusedError, TimedOutError
from provisioner.model.json import JsonDict
from provisioner.model.ports import Cloud, OperationStepDefinition, StepContext
from provisioner.model.recovery import BackupPolicy, PointCopy, PointKind, PointStatus, RecoveryPoint
from provisioner.model.stack import StackArgs, StackOutputs
from provisioner.ops.awake import until
from provisioner.ops.converge import stack_outputs
from provisioner.ops.desired import thaw_args, thaw_target
from provisioner.ops.house import House
from provisioner.ops.machine import answer
from provisioner.ops.scripts import Login, login_script

SENTINEL_DEADLINE = 120.0
SNAPSHOT_DEADLINE = 3 * 3600.0
_DEAD = ("failed", "deleted", "incompatible-restore")


def wanted(
    tenant_id: str,
    policy: BackupPolicy,
    operation_id: str,
    kind: PointKind,
    now: datetime,
    *,
    days: int | None = None,
) -> JsonDict:
    """The payload's part about one point; `days`: until when it is kept, None for as long as retention wants it."""
    return {
        "id": f"{tenant_id}-{now:%Y%m%dt%H%M}-{operation_id[-6:]}",
        "kind": str(kind),
        "expires": (now.date() + timedelta(days=days)).isoformat() if days is not None else None,
        "copy_region": policy.copy_region,
        "copy_key": policy.copy_key,
    }


def snapshot_tags(args: StackArgs, point_id: str, kind: str) -> dict[str, str]:
    """Tags by which a recovery point is known in the cloud, also without a ledger."""
    return {
        "provision:tenant": args.tenant,
        "provision:recovery-point": point_id,
        "provision:kind": kind,
        "provision:release": args.release,
        "provision:schema-version": str(args.schema),
    }


class Points:
    """Steps that make the recovery point of the payload's `point`, over one house."""

    def __init__(self, house: House) -> None:
        self._house = house

    def steps(self) -> tuple[OperationStepDefinition, ...]:
        """In order."""
        return (
            OperationStepDefinition("mark", self.mark),
            OperationStepDefinition("snapshot", self.snapshot),
            OperationStepDefinition("copy", self.copy),
        )

    def mark(self, ctx: StepContext) -> JsonDict:
        """A sentinel row, by which a drill knows whose data it has. A machine that can't write it stops no backup."""
        args, cloud = self.place(ctx)
        return self.sign(ctx, args, cloud)

    def sign(self, ctx: StepContext, args: StackArgs, cloud: Cloud, *, machine: str | None = None) -> JsonDict:
        """The sentinel row of `args`' tenant, release and schema, in the database that serves. `machine`: which one
        writes it, if not the one that serves."""
        outputs = self.outputs(ctx)
        login, version = Login.product(outputs), args.schema
        script = login_script("sentinel", login, release=args.release, schema_version=version)
        try:
            written = answer(ctx, cloud, machine or outputs.machine_id, script, "sentinel", SENTINEL_DEADLINE)
        except (ProvisionError, TimedOutError) as error:
            ctx.progress(Event(EventKind.MESSAGE, ctx.tenant, "mark", message=f"no sentinel row: {error.message}"))
            return {"written_at": None, "problem": error.message}
        return {"written_at": str(written)}

    def snapshot(self, ctx: StepContext) -> JsonDict:
        """The snapshot of the database that serves."""
        args, cloud = self.place(ctx)
        point = self._begun(ctx, args)
        serving = self.outputs(ctx).database_identifier
        if point.database != serving:
            raise RefusedError(
                f"{point.database} doesn't serve {ctx.tenant} any more, {serving} does: no point is made of it",
                hint=f"provision backup create {ctx.tenant}",
            )
        self._house.ledger.save_point(point)
        found = cloud.snapshot(point.id)
        if found is not None and found.status in _DEAD:
            cloud.delete_snapshot(point.id)  # what an earlier try left: it would stay failed for ever
        try:
            cloud.make_snapshot(point.database, point.id, snapshot_tags(args, point.id, point.kind))
            made = self._finished(ctx, cloud, point.id)
        except (CancelledError, LeaseLostError):
            raise  # it goes on, here or elsewhere
        except ProvisionError:
            self._house.ledger.save_point(replace(point, status=PointStatus.FAILED))
            raise
        done = replace(
            point,
            status=PointStatus.AVAILABLE,
            key=made.key or "",
            size_gib=made.size_gib,
            taken_at=made.taken_at or point.taken_at,
        )
        self._house.ledger.save_point(done)
        fact: JsonDict = {"point": done.id, "taken_at": done.taken_at.isoformat()}
        self._house.ledger.observe(ctx.tenant, "backup", fact)
        return {"point": done.id, "taken_at": done.taken_at.isoformat(), "arn": made.arn, "size_gib": made.size_gib}

    def copy(self, ctx: StepContext) -> JsonDict:
        """The copy in another region, where the tier wants one."""
        part: Any = ctx.payload["point"]
        region = part["copy_region"]
        args, _ = self.place(ctx)
        point = self._house.ledger.point(part["id"])
        if region is None or region == args.region or point is None:
            return {"copied": None}
        cloud = self._house.cloud(thaw_target(ctx.payload), region)
        tags = snapshot_tags(args, point.id, point.kind)
        cloud.copy_snapshot(str(ctx.results["snapshot"]["arn"]), point.id, tags, part["copy_key"])
        made = self._finished(ctx, cloud, point.id)
        copies = (PointCopy(region, made.name, made.key),)
        # The copy took its time: what a drill found of the point meanwhile must stay.
        self._house.ledger.save_point(replace(self._house.ledger.point(point.id) or point, copies=copies))
        return {"copied": region}

    def place(self, ctx: StepContext) -> tuple[StackArgs, Cloud]:
        """The stack's arguments as they are now (`before`, where the operation changes them), and its cloud."""
        target, args = thaw_target(ctx.payload), thaw_args({"args": ctx.payload.get("before") or ctx.payload["args"]})
        self._house.ready(target)
        return args, self._house.cloud(target, args.region)

    def outputs(self, ctx: StepContext) -> StackOutputs:
        """What the tenant's stack exports now."""
        args = thaw_args(ctx.payload)
        found = self._house.engine(thaw_target(ctx.payload)).outputs(self._house.stack(args))
        if not found:
            raise ProvisionError(
                f"stack {args.project}/{args.name} isn't there, or was never brought up to its end",
                hint=f"provision show {ctx.tenant}",
            )
        return stack_outputs(found)

    def _begun(self, ctx: StepContext, args: StackArgs) -> RecoveryPoint:
        part: Any = ctx.payload["point"]
        known = self._house.ledger.point(part["id"])
        if known is not None:
            return replace(known, status=PointStatus.CREATING)
        record = self._house.ledger.tenant(ctx.tenant)
        written = ctx.results["mark"]["written_at"]
        return RecoveryPoint(
            id=part["id"],
            tenant=ctx.tenant,
            target=args.target,
            region=args.region,
            kind=PointKind(part["kind"]),
            status=PointStatus.CREATING,
            database=args.identifier(args.serving),
            release=args.release,
            schema_version=args.schema,
            config_digest=record.applied_digest if record else None,
            key="",
            taken_at=datetime.fromisoformat(str(written)).astimezone(UTC) if written else self._house.clock.now(),
            expires=date.fromisoformat(part["expires"]) if part["expires"] else None,
            operation_id=ctx.operation_id,
        )

    def _finished(self, ctx: StepContext, cloud: Cloud, name: str) -> Snapshot:
        """The snapshot, once it is available. Raises RefusedError where it failed."""
        seen: list[Snapshot] = []

        def look() -> str | None:
            found = cloud.snapshot(name)
            if found is None or found.status in _DEAD:
                state = found.status if found else "gone"
                raise RefusedError(f"snapshot {name} is {state}", hint=f"provision backup create {ctx.tenant}")
            seen[:] = [found]
            return None if found.status == "available" else found.status

        until(self._house, ctx, look, f"snapshot {name}", SNAPSHOT_DEADLINE)
        return seen[0]
