"""`provision restore`: an earlier state of a tenant's database, beside the present one, looked at, and only then used.

The database that served is kept for some days, closed to the product, so that nothing of it is lost by a wrong choice.
"""

from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from provisioner.model import firewall
from provisioner.model.change import Event, EventKind
from provisioner.model.errors import RefusedError
from provisioner.model.json import JsonDict
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import Cloud, OperationDefinition, OperationStepDefinition, RunOptions, StepContext
from provisioner.model.recovery import Verdict
from provisioner.model.stack import DatabaseArgs, StackArgs, StackOutputs
from provisioner.model.tenant import Waiver
from provisioner.ops.checks import Check, Expected, database_checks, verdict_of
from provisioner.ops.converge import STACK_DEADLINE, Converge, stack_outputs
from provisioner.ops.desired import thaw_args, thaw_target
from provisioner.ops.house import House
from provisioner.ops.machine import answer, command, master_allowed
from provisioner.ops.points import Points, snapshot_tags, until
from provisioner.ops.quarantine import VERIFY_DEADLINE
from provisioner.ops.scripts import Login, login_script
from provisioner.ops.waivers import thaw_waivers

FENCE_DEADLINE = 120.0
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
    `made` (the new database), `keep_until`, `point` (of the present)."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._points = Points(house)
        self._converge = Converge(house)

    def definitions(self) -> dict[str, OperationDefinition]:
        """The kind by name."""
        own, points, converge = self, self._points, self._converge
        steps = (
            ("mark", points.mark),
            ("snapshot", points.snapshot),
            ("copy", points.copy),
            ("import", own.import_),
            ("beside", own.beside),
            ("verify", own.verify),
            ("fence", own.fence),
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

        until(self._house, ctx, look, f"copy {name}")
        return {"copied": name}

    def beside(self, ctx: StepContext) -> JsonDict:
        """The restored database comes up beside the present one; nothing else changes. One that an earlier try could
        not restore stays as it is for ever, so it is taken away first."""
        _, cloud = self._points.place(ctx)
        before, made = self._before(ctx), thaw_database(ctx)
        found = cloud.database(before.identifier(made))
        if found is not None and found.status in _DEAD:
            self._undo(ctx)
        outputs = self._up(ctx, beside(before, made))
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

    def fence(self, ctx: StepContext) -> JsonDict:
        """From here on nobody writes into the database that served. Raises RefusedError where there is no other."""
        refused = ctx.results["verify"].get("refused")
        if refused is not None:
            raise RefusedError(
                f"what was restored for {ctx.tenant} isn't right; it was removed, the tenant is as before:\n{refused}",
                hint=f"choose another: provision backup list {_source(ctx)['owner']}",
            )
        _, cloud = self._points.place(ctx)
        outputs = _outputs(ctx, "beside")
        login = Login.master(outputs, self._before(ctx).serving.suffix)
        script = login_script("fence", login, user=outputs.database_user, closed=True)
        with master_allowed(cloud, outputs.role_name, login.secret):
            command(ctx, cloud, outputs.machine_id, script, "fence", FENCE_DEADLINE)
        return {"closed": str(self._before(ctx).serving.suffix), "at": self._house.clock.now().isoformat()}

    def stack(self, ctx: StepContext) -> JsonDict:
        """The restored database serves: a machine of the release it belongs to, with its address."""
        args = thaw_args(ctx.payload)
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
        old = self._before(ctx).identifier(self._before(ctx).serving)
        until_day = str(ctx.results["stack"].get("kept", ctx.payload["keep_until"]))
        words = (
            f"{old} is kept until {until_day}, closed to the product; recovery point {ctx.results['snapshot']['point']}"
        )
        ctx.progress(Event(EventKind.MESSAGE, ctx.tenant, "restore", message=words))
        return {**result, "moment": _source(ctx)["moment"], "old_database": old, "kept_until": until_day}

    def failed(self, ctx: StepContext, cause: str) -> None:
        """Before the switch the tenant serves as it did; afterwards only going on helps."""
        record = self._house.ledger.tenant(ctx.tenant)
        if record is None or record.lifecycle is not Lifecycle.RESTORING:
            return
        goal = Lifecycle.FAILED if "fence" in ctx.results else Lifecycle(str(ctx.payload["was"]))
        self._house.ledger.set_lifecycle(ctx.tenant, goal, cause=cause, operation_id=ctx.operation_id)

    def _up(self, ctx: StepContext, args: StackArgs) -> StackOutputs:
        """Bring the stack to `args`, if the firewall lets it."""
        engine, stack = self._house.engine(thaw_target(ctx.payload)), self._house.stack(args)
        self._house.ready(thaw_target(ctx.payload))
        plan = engine.preview(stack, RunOptions(refresh=True, cancel=ctx.cancel, deadline=STACK_DEADLINE))
        firewall.check(ctx.tenant, plan, thaw_waivers(ctx.payload), self._house.clock.now().date())
        options = RunOptions(
            refresh=True, progress=ctx.progress, cancel=ctx.cancel, deadline=STACK_DEADLINE, guard=ctx.guard
        )
        return stack_outputs(engine.up(stack, options).outputs)

    def _undo(self, ctx: StepContext) -> None:
        """Take the restored database away again: this one, and nothing else that holds data."""
        engine, stack = self._house.engine(thaw_target(ctx.payload)), self._house.stack(self._before(ctx))
        today = self._house.clock.now().date()
        name = f"database-{thaw_database(ctx).suffix}"
        allowed = Waiver(name, "delete", "provision", "what was restored isn't right", today)
        plan = engine.preview(stack, RunOptions(cancel=ctx.cancel, deadline=STACK_DEADLINE))
        firewall.check(ctx.tenant, plan, (allowed,), today)
        options = RunOptions(progress=ctx.progress, cancel=ctx.cancel, deadline=STACK_DEADLINE, guard=ctx.guard)
        engine.up(stack, options)

    def _keep(self, ctx: StepContext, args: StackArgs) -> str:
        """The tenant's databases from now on, and until when those that were replaced are kept. The days count from
        the switch: a restore may be gone on with long after it was proposed. Returns the last day of this one's."""
        known = self._house.ledger.fact(ctx.tenant, "databases")
        facts: Any = known.value if known else {"until": {}}
        ends = dict(facts["until"])
        days: Any = ctx.payload.get("keep_days")
        last = str(ctx.payload["keep_until"])
        if days is not None:
            last = keep_until(self._house.clock.now().date(), days).isoformat()
        ends[self._before(ctx).serving.suffix] = last
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


def keep_until(today: date, days: int) -> date:
    """The last day on which a replaced database is kept."""
    return today + timedelta(days=days)


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
