"""`provision restore`: an earlier state of a tenant's database, beside the present one, looked at, and only then used.

The database that served is kept for some days, closed to the product, so that nothing of it is lost by a wrong choice.
"""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from provisioner.model.change import Event, EventKind
from provisioner.model.json import JsonDict
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import Cloud, OperationDefinition, OperationStepDefinition, RunOptions, StepContext
from provisioner.model.recovery import Verdict
from provisioner.model.stack import DatabaseArgs, StackArgs, StackOutputs
from provisioner.model.tenant import Waiver
from provisioner.ops import guard
from provisioner.ops.awake import until
from provisioner.ops.checks import Check, Expected, database_checks, verdict_of
from provisioner.ops.converge import STACK_DEADLINE, Converge, stack_outputs
from provisioner.ops.cut_off import fenced
from provisioner.ops.desired import thaw_args, thaw_target
from provisioner.ops.house import House
from provisioner.ops.machine import answer, master_allowed
from provisioner.ops.points import SNAPSHOT_DEADLINE, Points, snapshot_tags
from provisioner.ops.present import Present, last_day, standing
from provisioner.ops.quarantine import VERIFY_DEADLINE
from provisioner.ops.scripts import Login, login_script
from provisioner.ops.waivers import thaw_waivers

# What RDS says of a restore that will never become a database.
_DEAD = ("failed", "incompatible-restore", "incompatible-network", "incompatible-parameters")


@dataclass(frozen=True, slots=True)
class Source:
    """What is restored: `owner`'s data, of a moment, of a release. `snapshot`: its name, else `database` (an RDS
    resource id) as it was at `at`."""

    owner: str
    moment: datetime
    release: str
    schema_version: int
    snapshot: str | None = None
    snapshot_arn: str | None = None
    database: str | None = None
    point: str | None = None

    def json(self) -> JsonDict:
        """For a payload."""
        return {**asdict(self), "moment": self.moment.isoformat()}


def beside(args: StackArgs, made: DatabaseArgs) -> StackArgs:
    """The tenant as it is, and the restored database beside what serves. Nothing protects it before it serves: until
    then it has nothing that its source hasn't, and it must be possible to take it away in whatever state it is."""
    return replace(args, databases=(*args.databases, replace(made, kept=True, final="")))


def switched(args: StackArgs, made: DatabaseArgs) -> StackArgs:
    """The restored database serves; the one that served is kept."""
    return replace(args, databases=(*(replace(d, kept=True) for d in args.databases), made))


def without(args: StackArgs, suffix: str, *, final: str | None) -> tuple[StackArgs, StackArgs]:
    """Two stages of the end of one of the databases: first its protection goes, then itself. `final`: the name of the
    snapshot that is taken of it; "" for none."""
    last = tuple(replace(d, final=final or "") if d.suffix == suffix else d for d in args.databases)
    rest = tuple(d for d in args.databases if d.suffix != suffix)
    return replace(args, databases=last), replace(args, databases=rest)


class Restore:
    """Steps of `restore`, over one house. The payload: `args` (as the tenant shall be), `before` (as it was), `source`,
    `made` (the new database), `keep_days` (how long what it replaces is kept), `point` (of the present), `point_days`
    (how long that is kept)."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._points = Points(house)
        self._present = Present(house)
        self._converge = Converge(house)

    def definitions(self) -> dict[str, OperationDefinition]:
        """The kind by name."""
        own, present, converge = self, self._present, self._converge
        steps = (
            ("mark", present.mark),
            ("snapshot", present.snapshot),
            ("copy", present.copy),
            ("import", own.import_),
            ("beside", own.beside),
            ("verify", own.verify),
            ("renew", present.renew),
            ("fence", present.fence),
            ("register", converge.register),
            ("stack", own.stack),
            ("bootstrap", converge.bootstrap),
            ("migrate", converge.migrate),
            ("health", converge.health),
            ("sign", own.sign),
            ("finish", own.finish),
        )
        reason = "an earlier state of its database is being restored"
        definitions = tuple(OperationStepDefinition(name, run) for name, run in steps)
        return {
            "restore": OperationDefinition("restore", reason, definitions, started=self.started, failed=self.failed)
        }

    def started(self, ctx: StepContext) -> None:
        """On the record, whatever comes."""
        self._house.ledger.set_lifecycle(ctx.tenant, Lifecycle.RESTORING, operation_id=ctx.operation_id)

    def import_(self, ctx: StepContext) -> JsonDict:
        """Another tenant's snapshot is copied under this one's own key first: no key ever serves two tenants."""
        source: Any = ctx.payload["source"]
        if source["owner"] == ctx.tenant:
            return {"copied": None}
        args, cloud = self._points.place(ctx)
        name = str(thaw_database(ctx).snapshot)
        key = self._points.outputs(ctx).key_arn
        cloud.copy_snapshot(source["snapshot_arn"], name, snapshot_tags(args, name, "import"), key)

        def look() -> str | None:
            found = cloud.snapshot(name)
            status = found.status if found else "gone"
            return None if status == "available" else status

        until(self._house, ctx, look, f"copy {name}", SNAPSHOT_DEADLINE)
        return {"copied": name}

    def beside(self, ctx: StepContext) -> JsonDict:
        """The restored database comes up beside the present one; nothing else changes. One that an earlier try could
        not restore stays as it is for ever, so it is taken away first. A present one that is gone stays in the state
        until the other serves: it isn't read, so that nothing is made in its place."""
        _, cloud = self._points.place(ctx)
        before, made = self._before(ctx), thaw_database(ctx)
        found = cloud.database(before.identifier(made))
        if found is not None and found.status in _DEAD:
            self._undo(ctx)
        outputs = self._up(ctx, beside(before, made), refresh=self._present.missing(ctx) is None)
        return {"outputs": asdict(outputs)}

    def verify(self, ctx: StepContext) -> JsonDict:
        """Is it whole, and whose is it? If it isn't right, it goes again, and the tenant stays as it is."""
        args, cloud = self._points.place(ctx)
        outputs, made, source = _outputs(ctx, "beside"), thaw_database(ctx), _source(ctx)
        if made.suffix not in self._points.outputs(ctx).databases:
            drop_import(cloud, ctx.tenant, made)
            return {"refused": "it was removed again"}  # by this step, before it was killed
        login = Login.master(outputs, made.suffix)
        script = login_script("verify", login, schema=outputs.database_user)
        with master_allowed(cloud, outputs.role_name, login.secret):
            seen = answer(ctx, cloud, outputs.machine_id, script, "verify", VERIFY_DEADLINE)
        expected = Expected(source["owner"], source["schema_version"], args.sizing.database_version)
        checks = [c for c in database_checks(seen, expected) if _matters(c, source, seen)]
        found: JsonDict = {"checks": [c.json() for c in checks]}
        if verdict_of(checks) is not Verdict.PASSED:
            self._undo(ctx)
            drop_import(cloud, ctx.tenant, made)
            found["refused"] = "\n".join(f"  {c.name}: {c.detail}" for c in checks if not c.ok)
        return found

    def stack(self, ctx: StepContext) -> JsonDict:
        """The restored database serves: a machine of the release it belongs to, with its address."""
        args = standing(self._points.place(ctx)[1], thaw_args(ctx.payload))
        outputs = self._up(ctx, args)
        kept = self._keep(ctx, args)
        resources: Any = self._house.engine(thaw_target(ctx.payload)).export(self._house.stack(args))
        return {"outputs": asdict(outputs), "resources": len(resources["deployment"]["resources"]), "kept": kept}

    def sign(self, ctx: StepContext) -> JsonDict:
        """The data is this tenant's from now on: a drill of its next recovery point finds its name in it."""
        _, cloud = self._points.place(ctx)
        return self._points.sign(ctx, thaw_args(ctx.payload), cloud)

    def finish(self, ctx: StepContext) -> JsonDict:
        """Record what is, and how the old database can be had back."""
        _, cloud = self._points.place(ctx)
        drop_import(cloud, ctx.tenant, thaw_database(ctx))
        result = self._converge.finish(ctx)
        kept, point = ctx.results["stack"]["kept"], ctx.results["fence"]["point"]
        old = self._before(ctx).identifier(self._before(ctx).serving) if kept else None
        words = f"{old} is kept until {kept}, closed to the product" if kept else "nothing of the present was kept"
        words += f"; recovery point {point}" if point else ""
        ctx.progress(Event(EventKind.MESSAGE, ctx.tenant, "restore", message=words))
        return {**result, "moment": _source(ctx)["moment"], "old_database": old, "kept_until": kept}

    def failed(self, ctx: StepContext, cause: str) -> None:
        """Before the switch the tenant serves as it did; afterwards only going on helps."""
        record = self._house.ledger.tenant(ctx.tenant)
        if record is None or record.lifecycle is not Lifecycle.RESTORING:
            return
        operation = self._house.ledger.operation(ctx.operation_id)
        closing = operation is not None and fenced(operation)
        goal = Lifecycle.FAILED if closing else Lifecycle(str(ctx.payload["was"]))
        self._house.ledger.set_lifecycle(ctx.tenant, goal, cause=cause, operation_id=ctx.operation_id)

    def _up(self, ctx: StepContext, args: StackArgs, *, refresh: bool = True) -> StackOutputs:
        """Bring the stack to `args`, if the firewall lets it."""
        target, stack = thaw_target(ctx.payload), self._house.stack(args)
        self._house.ready(target)
        engine = self._house.engine(target)
        plan = engine.preview(stack, RunOptions(refresh=refresh, cancel=ctx.cancel, deadline=STACK_DEADLINE))
        makes = (_name(thaw_database(ctx)),)
        guard.check(self._house, ctx.tenant, target, stack, plan, thaw_waivers(ctx.payload), makes=makes)
        options = RunOptions(
            refresh=refresh, progress=ctx.progress, cancel=ctx.cancel, deadline=STACK_DEADLINE, guard=ctx.guard
        )
        return stack_outputs(engine.up(stack, options).outputs)

    def _undo(self, ctx: StepContext) -> None:
        """Take the restored database away again: this one, and nothing else that holds data."""
        target, stack = thaw_target(ctx.payload), self._house.stack(self._before(ctx))
        engine, today = self._house.engine(target), self._house.clock.now().date()
        name = _name(thaw_database(ctx))
        allowed = Waiver(name, "delete", "provision", "what was restored isn't right", today)
        plan = engine.preview(stack, RunOptions(cancel=ctx.cancel, deadline=STACK_DEADLINE))
        guard.check(self._house, ctx.tenant, target, stack, plan, (allowed,))
        options = RunOptions(progress=ctx.progress, cancel=ctx.cancel, deadline=STACK_DEADLINE, guard=ctx.guard)
        engine.up(stack, options)

    def _keep(self, ctx: StepContext, args: StackArgs) -> str | None:
        """The tenant's databases from now on, and until when those that were replaced are kept. The days count from
        the switch: a restore may be gone on with long after it was proposed. Returns the last day of this one's, None
        where it is gone."""
        known = self._house.ledger.fact(ctx.tenant, "databases")
        facts: Any = known.value if known else {"until": {}}
        ends, last, served = dict(facts["until"]), None, self._before(ctx).serving.suffix
        days: Any = ctx.payload["keep_days"]
        if any(d.suffix == served for d in args.databases):
            last = ends[served] = last_day(self._house.clock.now().date(), days).isoformat()
        since = {args.serving.suffix: self._house.clock.now().isoformat(), **facts.get("since", {})}
        value: JsonDict = {"databases": [asdict(d) for d in args.databases], "until": ends, "since": since}
        self._house.ledger.observe(ctx.tenant, "databases", value)
        return last

    def _before(self, ctx: StepContext) -> StackArgs:
        return thaw_args({"args": ctx.payload["before"]})


def import_name(tenant_id: str, operation_id: str) -> str:
    """The copy of another tenant's snapshot, under the tenant's own key. Only the restore needs it."""
    return f"{tenant_id}-import-{operation_id[-6:]}"


def drop_import(cloud: Cloud, tenant_id: str, made: DatabaseArgs) -> None:
    """Delete such a copy, if the database was made from one; one that is gone is success."""
    if made.snapshot is not None and made.snapshot.startswith(f"{tenant_id}-import-"):
        cloud.delete_snapshot(made.snapshot)


def thaw_database(ctx: StepContext) -> DatabaseArgs:
    """The database that the restore makes."""
    return DatabaseArgs(**ctx.payload["made"])  # type: ignore[arg-type]


def _name(made: DatabaseArgs) -> str:
    """Its logical name in the stack."""
    return f"database-{made.suffix}"


def _source(ctx: StepContext) -> Any:
    return ctx.payload["source"]


def _outputs(ctx: StepContext, step: str) -> StackOutputs:
    return StackOutputs(**ctx.results[step]["outputs"])  # type: ignore[arg-type]


def _matters(check: Check, source: Any, seen: Any) -> bool:
    """A moment between two recovery points may lie before the first sentinel row, or the first of its schema: none, or
    one of an earlier schema, is no finding then; another tenant's is."""
    if source["snapshot"] is not None:
        return True
    none = seen["sentinel"]["value"] is None and not seen["sentinel"]["error"]
    return check.name != "schema" and not (check.name == "sentinel" and none)
