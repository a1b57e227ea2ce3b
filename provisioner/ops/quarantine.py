"""A drill's stack: made from a recovery point, looked at, destroyed. `drill` and `offboard` prove a point with it."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

from provisioner.model.cloud import Health
from provisioner.model.errors import AuthenticationError, CancelledError, LeaseLostError, ProvisionError
from provisioner.model.json import Json, JsonDict
from provisioner.model.ports import Cloud, OperationStepDefinition, RunOptions, StepContext
from provisioner.model.recovery import RecoveryPoint
from provisioner.model.stack import DatabaseArgs, StackArgs, StackOutputs
from provisioner.ops.checks import Check, Expected, database_checks, newest_write, product_check
from provisioner.ops.converge import BOOTSTRAP_DEADLINE, stack_outputs
from provisioner.ops.desired import thaw_args, thaw_target
from provisioner.ops.house import House
from provisioner.ops.leftovers import refuse_leftovers
from provisioner.ops.machine import answer, command, master_allowed
from provisioner.ops.scripts import Login, bootstrap_script, login_script, probe_script

LIFETIME = timedelta(hours=12)
RESTORE_DEADLINE = 3 * 3600.0
VERIFY_DEADLINE = 3 * 3600.0
PROBE_SECONDS = 120
DESTROY_DEADLINE = 3600.0
# What RDS says where the data itself can't be read; anything else that goes wrong says nothing about the backup.
_UNREADABLE = ("KMSKeyNotAccessible", "incompatible-restore", "DBSnapshotNotFound")


def quarantine_args(args: StackArgs, point_id: str, key: str, operation_id: str, now: datetime) -> StackArgs:
    """The arguments of the quarantine for one point. Its name begins with the tenant's, as all that the deployer may
    touch in the tenant's name does."""
    return replace(
        args,
        databases=(DatabaseArgs(snapshot=point_id),),
        quarantine=f"{args.tenant}-d{operation_id[-6:]}",
        key_arn=key,
        expires=(now + LIFETIME).isoformat(timespec="seconds"),
    )


def proof_part(args: StackArgs, point: RecoveryPoint | None, requested_at: datetime, previous: Json) -> JsonDict:
    """The payload's `proof`: the quarantine's arguments and what must be found. `previous`: the fact of the drill
    before. Without a point, an earlier step of the same operation makes it, and `args.databases` names it."""
    known: Any = previous or {}
    return {
        "args": asdict(args),
        "point": point.id if point else args.databases[0].snapshot,
        "requested_at": requested_at.isoformat(),
        "rows": known.get("rows"),
        "rows_schema": known.get("schema_version"),
    }


class Quarantine:
    """Steps that prove the point of the payload's `proof`. A finding is a result, not a failure: the quarantine is
    destroyed whatever was found."""

    def __init__(self, house: House) -> None:
        self._house = house

    def steps(self) -> tuple[OperationStepDefinition, ...]:
        """In order."""
        names = ("restore", "verify", "probe", "clear")
        return tuple(OperationStepDefinition(name, getattr(self, name)) for name in names)

    def restore(self, ctx: StepContext) -> JsonDict:
        """Is the point whole and ours? Then bring the quarantine up from it."""
        began = self._house.clock.monotonic()
        args, cloud = self._place(ctx)
        point = self._point(ctx)
        refused = self._late(args) or self._refused(cloud, point)
        if refused is not None:
            return {"checks": [refused.json()]}
        engine, stack = self._house.engine(thaw_target(ctx.payload)), self._house.stack(args)
        resumed = engine.export(stack) is not None
        options = RunOptions(
            refresh=resumed, progress=ctx.progress, cancel=ctx.cancel, deadline=RESTORE_DEADLINE, guard=ctx.guard
        )
        try:
            outputs = stack_outputs(engine.up(stack, options).outputs)
        except ProvisionError as error:
            ok = False if any(word in error.message for word in _UNREADABLE) else None
            return {"checks": [_check("restore", ok, told(ctx, error))]}
        seconds = self._house.clock.monotonic() - began
        return {"outputs": asdict(outputs), "seconds": round(seconds, 1), "resumed": resumed, "checks": []}

    def verify(self, ctx: StepContext) -> JsonDict:
        """Log in with TLS as the master, read every row, check every page."""
        found = ctx.results["restore"].get("outputs")
        if found is None:
            return {"checks": []}
        began = self._house.clock.monotonic()
        _, cloud = self._place(ctx)
        outputs = StackOutputs(**found)  # type: ignore[arg-type]
        script = login_script("verify", Login.master(outputs), schema=outputs.database_user)
        try:
            with master_allowed(cloud, outputs.role_name, outputs.master_secret_arn):
                seen = answer(ctx, cloud, outputs.machine_id, script, "verify", VERIFY_DEADLINE)
        except ProvisionError as error:
            return {"checks": [_check("verify", None, told(ctx, error))]}
        written = newest_write(seen)
        return {
            "checks": [c.json() for c in database_checks(seen, self._restored(ctx))],
            "newest_write": written.isoformat() if written else None,
            "rows": seen["rows"]["value"],
            "seconds": round(self._house.clock.monotonic() - began, 1),
        }

    def probe(self, ctx: StepContext) -> JsonDict:
        """The product starts on it and is well: its role gets the quarantine's own password first."""
        found = ctx.results["restore"].get("outputs")
        if found is None:
            return {"checks": []}
        began = self._house.clock.monotonic()
        args, cloud = self._place(ctx)
        outputs = StackOutputs(**found)  # type: ignore[arg-type]
        machine = outputs.machine_id
        try:
            cloud.ensure_password(outputs.product_secret_arn, outputs.database_user)
            with master_allowed(cloud, outputs.role_name, outputs.master_secret_arn):
                command(ctx, cloud, machine, bootstrap_script(outputs), "bootstrap", BOOTSTRAP_DEADLINE)
            seen = answer(ctx, cloud, machine, probe_script(PROBE_SECONDS), "probe", PROBE_SECONDS + 60.0)
        except ProvisionError as error:
            return {"checks": [_check("product", None, told(ctx, error))]}
        check = product_check(_health(seen), self.expected(ctx), args.release)
        return {"checks": [check.json()], "seconds": round(self._house.clock.monotonic() - began, 1)}

    def clear(self, ctx: StepContext) -> JsonDict:
        """Destroy it, and look whether anything of it is left. Raises ProvisionError where something is."""
        args, cloud = self._place(ctx)
        engine, stack = self._house.engine(thaw_target(ctx.payload)), self._house.stack(args)
        options = RunOptions(progress=ctx.progress, cancel=ctx.cancel, deadline=DESTROY_DEADLINE, guard=ctx.guard)
        engine.destroy(stack, options)
        left = cloud.leftovers(ctx.tenant, stack=f"{args.project}/{args.name}")
        refuse_leftovers(ctx, left, f"quarantine {args.name}")
        return {"left": 0}

    def _restored(self, ctx: StepContext) -> Expected:
        """What must be found in the database as it was restored: where it is migrated afterwards, another schema."""
        return replace(self.expected(ctx), schema_version=_proof(ctx).get("schema", self.args(ctx).schema))

    def expected(self, ctx: StepContext) -> Expected:
        """What must be found in the database in the end."""
        args, proof = self.args(ctx), _proof(ctx)
        return Expected(ctx.tenant, args.schema, args.sizing.database_version, proof["rows"], proof["rows_schema"])

    def args(self, ctx: StepContext) -> StackArgs:
        """The quarantine's arguments. Where the same operation made the point, its key is known only now."""
        args = thaw_args(_proof(ctx))
        return args if args.key_arn else replace(args, key_arn=self._point(ctx).key)

    def _place(self, ctx: StepContext) -> tuple[StackArgs, Cloud]:
        target, args = thaw_target(ctx.payload), self.args(ctx)
        self._house.ready(target)
        return args, self._house.cloud(target, args.region)

    def _point(self, ctx: StepContext) -> RecoveryPoint:
        point_id = str(_proof(ctx)["point"])
        found = self._house.ledger.point(point_id)
        if found is None:
            raise ProvisionError(f"recovery point {point_id} is not in the ledger", hint="provision backup list")
        return found

    def _late(self, args: StackArgs) -> Check | None:
        """A drill that was cut off long ago is not gone on with: all that is left to do is to clear up."""
        if args.expires is None or self._house.clock.now() < datetime.fromisoformat(args.expires):
            return None
        return Check("time", None, f"it had to end before {args.expires}")

    def _refused(self, cloud: Cloud, point: RecoveryPoint) -> Check | None:
        """Why it isn't even tried: a snapshot that is gone, another's, in the clear, or whose key can't be used."""
        found = cloud.snapshot(point.id)
        if found is None or found.status != "available":
            return Check("snapshot", False, f"snapshot {point.id} is {found.status if found else 'gone'}")
        owner = found.tags.get("provision:tenant")
        if owner != point.tenant:
            return Check("snapshot", False, f"snapshot {point.id} is of {owner or 'nobody'}, not of {point.tenant}")
        if not found.encrypted or not found.key:
            return Check("snapshot", False, f"snapshot {point.id} is not encrypted")
        state = cloud.key_state(found.key)
        if state != "Enabled":
            return Check("key", False, f"the key {found.key}, without which it can't be read, is {state or 'gone'}")
        return None


def findings(ctx: StepContext) -> list[Check]:
    """All that the steps have found."""
    steps = ("restore", "verify", "migrate", "probe")
    return [Check(**c) for step in steps for c in ctx.results.get(step, {}).get("checks", [])]  # type: ignore[union-attr,arg-type]


def _proof(ctx: StepContext) -> Any:
    return ctx.payload["proof"]


def _check(name: str, ok: bool | None, detail: str) -> JsonDict:
    return Check(name, ok, detail).json()


def told(ctx: StepContext, error: ProvisionError) -> str:
    """The error's words; an error that isn't about the restore is raised again, and the operation can go on later."""
    if ctx.cancel.is_set() or isinstance(error, AuthenticationError | CancelledError | LeaseLostError):
        raise error
    return error.message[:2000]


def _health(seen: Mapping[str, Any]) -> Health:
    status = {"ok": "healthy"}.get(str(seen.get("status")), str(seen.get("status")))
    known = {k: seen.get(k) for k in ("release", "schema_version", "tenant", "detail")}
    return Health(status, **known)
