"""The end of a tenant: protections off, destroy, look for what is left, certify. `offboard` comes before it."""

from dataclasses import replace
from typing import Any

from provisioner.model import firewall
from provisioner.model.change import Event, EventKind
from provisioner.model.errors import EngineError, RefusedError
from provisioner.model.json import Json, JsonDict
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import Cloud, Engine, OperationDefinition, OperationStepDefinition, RunOptions, StepContext
from provisioner.model.recovery import PointStatus, RecoveryPoint
from provisioner.model.stack import StackArgs
from provisioner.ops.allowed import refuse_early
from provisioner.ops.awake import wake_database
from provisioner.ops.desired import thaw_args, thaw_registry, thaw_target, unprotected
from provisioner.ops.house import House
from provisioner.ops.leftovers import refuse_leftovers
from provisioner.ops.reaping import clear_all

DEADLINE = 60 * 60.0


class Retire:
    """Steps of `retire`, over one house. The payload's `final` is the id of the proven last recovery point; without one
    there never was any data."""

    def __init__(self, house: House) -> None:
        self._house = house

    def definitions(self) -> dict[str, OperationDefinition]:
        """The kind by name."""
        names = ("unprotect", "destroy", "forget", "sweep", "certify")
        steps = tuple(OperationStepDefinition(name, getattr(self, name)) for name in names)
        reason = "it is being destroyed"
        return {"retire": OperationDefinition("retire", reason, steps, started=self.started, failed=self.failed)}

    def started(self, ctx: StepContext) -> None:
        """Intent: from here on the tenant only goes forward. Raises RefusedError where it mustn't begin, and
        LeaseHeldError while a drill runs."""
        refuse_early(self._house, ctx)
        self._house.ledger.ensure_tenant(ctx.tenant, thaw_args(ctx.payload).target)
        self._house.ledger.set_lifecycle(ctx.tenant, Lifecycle.OFFBOARDING, operation_id=ctx.operation_id)

    def unprotect(self, ctx: StepContext) -> JsonDict:
        """Deletes obey the *state*: protection off and the key kept must be applied before anything is deleted. What
        there was is written down.

        A stack whose creation failed half-way may fail here again on what was never made; that is no reason to stop,
        for what is protected still stops the next step by name.
        """
        engine, args = self._engine(ctx)
        stack = self._house.stack(replace(unprotected(args), keep_key=ctx.payload.get("final") is not None))
        if engine.export(stack) is None:
            return {"stack": "none", "existed": {}}
        self._awake(ctx)
        options = RunOptions(
            refresh=True,
            continue_on_error=True,
            progress=ctx.progress,
            cancel=ctx.cancel,
            deadline=DEADLINE,
            guard=ctx.guard,
        )
        try:
            if ctx.payload.get("final") is not None:
                # No replacement may ride along: the key that a lasting recovery point needs would go with it.
                plan = engine.preview(stack, RunOptions(refresh=True, cancel=ctx.cancel, deadline=DEADLINE))
                firewall.check(ctx.tenant, plan, (), self._house.clock.now().date())
            outputs: dict[str, Json] = engine.up(stack, options).outputs
        except EngineError as error:
            outputs = engine.outputs(stack)
            ctx.progress(Event(EventKind.MESSAGE, ctx.tenant, "unprotect", message=f"not all could be: {error}"))
        bucket = outputs.get("files_bucket")
        if bucket:
            self._cloud(ctx).empty_bucket(str(bucket))
        return {"stack": "unprotected", "existed": existed(engine.export(stack)), "key": outputs.get("key_arn")}

    def destroy(self, ctx: StepContext) -> JsonDict:
        """What drills left, which needs the tenant's key; then all resources of the stack, dependents first. The key
        stays where a recovery point needs it. Raises LeaseHeldError while a drill runs."""
        clear_all(self._house, ctx)
        engine, args = self._engine(ctx)
        options = RunOptions(progress=ctx.progress, cancel=ctx.cancel, deadline=DEADLINE, guard=ctx.guard)
        result = engine.destroy(self._house.stack(args), options)
        return {"destroyed": len(result.steps), "at": self._house.clock.now().isoformat(timespec="seconds")}

    def forget(self, ctx: StepContext) -> JsonDict:
        """All recovery points but those that are kept: they are the customer's data too."""
        kept, gone = {p.id for p in self._lasting(ctx)}, []
        for point in self._house.ledger.points(tenant=ctx.tenant):
            if point.id not in kept:
                delete_point(self._house, ctx, point)
                gone.append(point.id)
        return {"forgotten": gone}

    def sweep(self, ctx: StepContext) -> JsonDict:
        """Look by tag and name for anything that is left; an offboarding that leaves something has failed."""
        kept = {k["what"] for k in self.kept(ctx)}
        left = [found for found in self._cloud(ctx).leftovers(ctx.tenant) if found not in kept]
        refuse_leftovers(ctx, left, ctx.tenant)
        self._readable(ctx)
        return {"left": 0}

    def _readable(self, ctx: StepContext) -> None:
        """What is kept is worth nothing without its key. Raises RefusedError where that can't be used."""
        for point in self._house.ledger.points(tenant=ctx.tenant):
            if point.id == ctx.payload.get("final"):
                state = self._house.cloud(thaw_target(ctx.payload), point.region).key_state(point.key)
                if state != "Enabled":
                    raise RefusedError(
                        f"the key {point.key}, without which {point.id} can't be read, is {state or 'gone'}",
                        hint=f"aws kms cancel-key-deletion and enable-key, then provision offboard {ctx.tenant}",
                    )

    def certify(self, ctx: StepContext) -> JsonDict:
        """Take the entry out of the registry, write the certificate, close the record."""
        self._house.registry(thaw_registry(ctx.payload)).remove(ctx.tenant)
        args = thaw_args(ctx.payload)
        body: JsonDict = {
            "tenant": ctx.tenant,
            "place": {"target": args.target, "cloud": str(args.cloud), "account": args.account, "region": args.region},
            "release": args.release,
            "existed": ctx.results["unprotect"]["existed"],
            "destroyed_at": ctx.results["destroy"]["at"],
            "recovery_points_deleted": ctx.results["forget"]["forgotten"],
            "kept": self.kept(ctx),
            "left": ctx.results["sweep"]["left"],
            "proof": ctx.payload.get("proof"),
            "export": ctx.payload.get("export"),
        }
        record = self._house.ledger.add_evidence(ctx.tenant, "retirement", body, operation_id=ctx.operation_id)
        self._house.ledger.set_applied(ctx.tenant, None)
        self._house.ledger.observe(ctx.tenant, "offboarding", {"due": None})
        self._house.ledger.set_lifecycle(ctx.tenant, Lifecycle.RETIRED, operation_id=ctx.operation_id)
        return {"tenant": ctx.tenant, "state": str(Lifecycle.RETIRED), "evidence": record.number, "hash": record.hash}

    def kept(self, ctx: StepContext) -> list[dict[str, str]]:
        """What stays, and until when: the last recovery point with its copies, and the key that reads it."""
        rows: list[dict[str, str]] = []
        keys: dict[str, str] = {}
        for point in self._lasting(ctx):
            until = str(point.expires)
            found = self._cloud(ctx).snapshot(point.id)
            rows.append({"what": found.arn if found else point.id, "kind": "snapshot", "until": until})
            rows += [{"what": c.snapshot, "kind": f"snapshot in {c.region}", "until": until} for c in point.copies]
            keys[point.key] = max(until, keys.get(point.key, ""))
        return [*rows, *({"what": key, "kind": "key", "until": until} for key, until in keys.items())]

    def _lasting(self, ctx: StepContext) -> list[RecoveryPoint]:
        """The last recovery point, and that of an earlier tenant of this id, which its certificate promises to keep."""
        final, today = ctx.payload.get("final"), self._house.clock.now().date()
        certificates: Any = self._house.ledger.evidence(tenant=ctx.tenant, kind="retirement")
        promised = {str(k["what"]).rpartition(":")[2] for c in certificates for k in c.body["kept"]}
        return [
            p
            for p in self._house.ledger.points(tenant=ctx.tenant)
            if p.id == final or (p.id in promised and p.expires is not None and p.expires >= today)
        ]

    def failed(self, ctx: StepContext, cause: str) -> None:
        """Say so on the record; the same command goes on."""
        record = self._house.ledger.tenant(ctx.tenant)
        if record is not None and record.lifecycle is Lifecycle.OFFBOARDING:
            self._house.ledger.set_lifecycle(ctx.tenant, Lifecycle.FAILED, cause=cause, operation_id=ctx.operation_id)

    def _awake(self, ctx: StepContext) -> None:
        """A stopped database can't be changed, so its protection can't be taken off: it is started once more."""
        cloud = self._cloud(ctx)
        for database in cloud.databases(ctx.tenant):
            if database.status in ("stopped", "stopping", "starting"):
                wake_database(self._house, ctx, cloud, database.identifier)

    def _engine(self, ctx: StepContext) -> tuple[Engine, StackArgs]:
        target = thaw_target(ctx.payload)
        self._house.ready(target)
        return self._house.engine(target), thaw_args(ctx.payload)

    def _cloud(self, ctx: StepContext) -> Cloud:
        target = thaw_target(ctx.payload)
        self._house.ready(target)
        return self._house.cloud(target, thaw_args(ctx.payload).region)


def delete_point(house: House, ctx: StepContext, point: RecoveryPoint) -> None:
    """Delete a recovery point's snapshots, copies first; its record stays."""
    target = thaw_target(ctx.payload)
    for copy in point.copies:
        house.cloud(target, copy.region).delete_snapshot(copy.snapshot)
    house.cloud(target, point.region).delete_snapshot(point.id)
    house.ledger.save_point(replace(point, status=PointStatus.DELETED))


def existed(deployment: JsonDict | None) -> JsonDict:
    """How many of each type a stack had, and the ids of what held data."""
    resources: Any = deployment["deployment"]["resources"] if deployment else []  # type: ignore[index,call-overload]
    counts: dict[str, int] = {}
    for resource in resources:
        if resource.get("custom") and not resource["type"].startswith("pulumi:"):
            counts[resource["type"]] = counts.get(resource["type"], 0) + 1
    stateful = ("aws:rds/instance:Instance", "aws:s3/bucket:Bucket", "aws:kms/key:Key", "aws:ec2/instance:Instance")
    ids = sorted(r["id"] for r in resources if r["type"] in stateful and r.get("id"))
    return {"resources": dict(sorted(counts.items())), "ids": ids}
