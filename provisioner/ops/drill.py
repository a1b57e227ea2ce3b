"""`provision drill`: a restore that is really made, to prove that a backup is one.

A drill never touches the tenant's own instance: what it makes stands in a quarantine, and is gone at its end.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from provisioner.model.errors import ProvisionError, RefusedError, UsageError
from provisioner.model.json import JsonDict
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import OperationDefinition, OperationStepDefinition, Progress, StepContext
from provisioner.model.recovery import PointStatus, RecoveryPoint, Verdict
from provisioner.model.tenant import Tenant
from provisioner.ops.backup import active
from provisioner.ops.checks import verdict_of
from provisioner.ops.desired import confirm_caller, freeze, present_args, thaw_args
from provisioner.ops.house import House, RegistryView
from provisioner.ops.many import each
from provisioner.ops.operations import find, new_id, resume, unfinished
from provisioner.ops.quarantine import Quarantine, findings, proof_part, quarantine_args


@dataclass(frozen=True, slots=True)
class Drilled:
    """How the drill of one tenant ended. `evidence` is its record; None where it didn't come to one."""

    tenant: str
    verdict: Verdict | None
    evidence: JsonDict | None = None
    error: ProvisionError | None = None


def drill(
    house: House,
    registry: RegistryView,
    tenants: Sequence[Tenant],
    progress: Progress,
    *,
    point: str | None = None,
    at_once: int = 4,
) -> list[Drilled]:
    """Drill all of them; one that can't be drilled is an answer, not an end. `point`: this one, not the newest."""

    def one(tenant: Tenant) -> Drilled:
        try:
            found: Any = drill_one(house, registry, tenant, progress, point=point)
        except ProvisionError as error:
            return Drilled(tenant.id, None, error=error)
        return Drilled(tenant.id, Verdict(found["verdict"]), found)

    return each(house, tenants, one, at_once=at_once)


def drill_one(
    house: House,
    registry: RegistryView,
    tenant: Tenant,
    progress: Progress,
    *,
    point: str | None = None,
    operation_id: str | None = None,
) -> JsonDict:
    """Drill one tenant and return the evidence. A drill that was cut off goes on; one of another point than was asked
    for goes on first. Raises UsageError for a tenant without a recovery point."""
    wanted = own_point(house, tenant.id, point).id if point is not None else None
    waiting = unfinished(house, tenant.id, "drill")
    if waiting is not None:
        done = resume(house, waiting.id, progress)
        if wanted in (None, done["point"]):
            return done
    payload = propose(house, registry, tenant, point, operation_id or new_id(house.clock))
    confirm_caller(house, payload, progress)
    return house.operations.run("drill", str(payload["operation"]), tenant.id, payload, progress)


def propose(house: House, registry: RegistryView, tenant: Tenant, point: str | None, operation_id: str) -> JsonDict:
    """The frozen input of a drill."""
    active(house, tenant.id, "drilled", Lifecycle.SUSPENDED)
    chosen = choose(house, tenant.id, point)
    args = replace(present_args(house, registry, tenant, chosen.release), database_schema=chosen.schema_version)
    now = house.clock.now()
    inside = quarantine_args(args, chosen.id, chosen.key, operation_id, now)
    if inside.name in registry.tenant_ids():
        raise UsageError(f"the quarantine's name {inside.name} is a tenant's", hint="run the same command again")
    proof = proof_part(inside, chosen, now, _before(house, chosen))
    targets: JsonDict = {"rpo_minutes": tenant.backup.rpo_minutes, "rto_minutes": tenant.backup.rto_minutes}
    return freeze(house, registry, tenant, args, proof=proof, targets=targets, operation=operation_id)


def _before(house: House, chosen: RecoveryPoint) -> JsonDict | None:
    """What was found by the drill before. A point that is older than its point may well have fewer rows."""
    fact = house.ledger.fact(chosen.tenant, "drill")
    compared = house.ledger.point(str(fact.value.get("proven_point"))) if fact else None
    if fact is None or (compared is not None and compared.taken_at > chosen.taken_at):
        return None
    return fact.value


def choose(house: House, tenant_id: str, point: str | None) -> RecoveryPoint:
    """The tenant's newest available point, or the one that was asked for. Raises UsageError."""
    if point is not None:
        return own_point(house, tenant_id, point)
    points = [p for p in own_points(house, tenant_id) if p.status is PointStatus.AVAILABLE]
    if not points:
        raise UsageError(
            f"tenant {tenant_id} has no recovery point that could be restored",
            hint=f"provision backup create {tenant_id}",
        )
    return points[0]


def own_points(house: House, tenant_id: str) -> list[RecoveryPoint]:
    """The recovery points of the tenant that lives now, newest first: what an earlier one of its id left isn't its."""
    began = _began(house, tenant_id)
    return [p for p in house.ledger.points(tenant=tenant_id) if began is None or p.taken_at > began]


def refuse_earlier(house: House, point: RecoveryPoint) -> None:
    """Raise RefusedError for a recovery point of an earlier tenant of the same id: that may be another customer."""
    began = _began(house, point.tenant)
    if began is not None and point.taken_at <= began:
        raise RefusedError(
            f"recovery point {point.id} is of an earlier tenant {point.tenant}, which was retired at "
            f"{began:%Y-%m-%d %H:%M} UTC; nothing was changed",
            hint=f"provision backup list {point.tenant}",
        )


def _began(house: House, tenant_id: str) -> datetime | None:
    """When the tenant before this one was retired; None where there was none."""
    last = house.ledger.evidence(tenant=tenant_id, kind="retirement", limit=1)
    return last[0].at if last else None


def own_point(house: House, tenant_id: str, point: str) -> RecoveryPoint:
    """A recovery point of this very tenant that can be restored. Raises UsageError for any other."""
    found = house.ledger.point(point)
    hint = f"provision backup list {tenant_id}"
    if found is None:
        raise UsageError(f"there is no recovery point {point}", hint=hint)
    if found.tenant != tenant_id:
        raise UsageError(f"recovery point {found.id} is of tenant {found.tenant}, not of {tenant_id}", hint=hint)
    if found.status is not PointStatus.AVAILABLE:
        raise UsageError(f"recovery point {found.id} is {found.status}", hint=hint)
    return found


class Drill:
    """Steps of `drill`, over one house."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._quarantine = Quarantine(house)

    def definitions(self) -> dict[str, OperationDefinition]:
        """The kind by name. It stands beside the tenant: a drill that takes hours holds up nobody."""
        steps = (*self._quarantine.steps(), OperationStepDefinition("conclude", self.conclude))
        reason = "a restore is being rehearsed"
        return {"drill": OperationDefinition("drill", reason, steps, beside=True)}

    def conclude(self, ctx: StepContext) -> JsonDict:
        """The verdict, in the journal, at the point, and as the tenant's newest fact."""
        return conclude(self._house, ctx)


def conclude(house: House, ctx: StepContext) -> JsonDict:
    """Write down what was found. The destruction is confirmed by now: without it nothing is concluded."""
    proof: Any = ctx.payload["proof"]
    checks = findings(ctx)
    verdict = verdict_of(checks)
    evidence = {
        **_measured(house, ctx, proof),
        "verdict": str(verdict),
        "point": proof["point"],
        "requested_at": proof["requested_at"],
        "release": proof["args"]["release"],
        "schema_version": thaw_args(proof).schema,
        "checks": [c.json() for c in checks],
        "rows": ctx.results["verify"].get("rows"),
        "targets": ctx.payload.get("targets"),
        "program": ctx.payload["digest"],
        "place": {
            "target": proof["args"]["target"],
            "cloud": proof["args"]["cloud"],
            "region": proof["args"]["region"],
        },
    }
    record = house.ledger.add_evidence(ctx.tenant, "drill", evidence, operation_id=ctx.operation_id)
    point = house.ledger.point(str(proof["point"]))
    if point is not None:
        proven = record.at if verdict is Verdict.PASSED else point.proven_at
        house.ledger.save_point(replace(point, verdict=verdict, proven_at=proven))
    if point is None or point.id in {p.id for p in own_points(house, ctx.tenant)}:
        wrong = [c.name for c in checks if c.ok is not True]
        _remember(house, ctx, evidence, verdict, record.at, fewer_rows=wrong == ["rows"])
    return {**evidence, "evidence": record.number, "hash": record.hash}


def _measured(house: House, ctx: StepContext, proof: Any) -> JsonDict:
    """Minutes of data that would have been lost at the request, and minutes until the product served again. A drill
    that was cut off in one of its phases has no honest time."""
    phases = {step: ctx.results[step].get("seconds") for step in ("restore", "verify", "probe")}
    steps = find(house, ctx.operation_id).steps
    again = ctx.results["restore"].get("resumed") or any(s.attempts > 1 for s in steps if s.name in ("verify", "probe"))
    known = [float(s) for s in phases.values() if s is not None]  # type: ignore[arg-type]
    whole = len(known) == len(phases) and not again
    written = ctx.results["verify"].get("newest_write")
    lost = datetime.fromisoformat(proof["requested_at"]) - datetime.fromisoformat(str(written)) if written else None
    return {
        "rto_minutes": round(sum(known) / 60, 2) if whole else None,
        "rpo_minutes": round(max(0.0, lost.total_seconds()) / 60, 2) if lost is not None else None,
        "seconds": {k: v for k, v in phases.items() if v is not None},
    }


def _remember(
    house: House, ctx: StepContext, evidence: JsonDict, verdict: Verdict, at: datetime, *, fewer_rows: bool
) -> None:
    """The newest drill, and the newest one that passed: an inconclusive one takes no proof away, and one that has no
    honest time takes no measured one away.

    `fewer_rows`: that is all that was found. It is told once: a customer may delete in good faith, and must not be
    without a proof, or unable to leave, for ever.
    """
    known = house.ledger.fact(ctx.tenant, "drill")
    before: JsonDict = dict(known.value) if known else {}
    kept = {k: evidence[k] for k in ("verdict", "point")}
    if verdict is Verdict.PASSED:
        more = ("rpo_minutes", "rto_minutes", "rows", "schema_version")
        kept |= {k: evidence[k] for k in more if evidence[k] is not None}
        kept |= {"proven_at": at.isoformat(), "proven_point": evidence["point"]}
    elif fewer_rows and evidence["rows"] is not None:
        kept |= {k: evidence[k] for k in ("rows", "schema_version")}
    house.ledger.observe(ctx.tenant, "drill", {**before, **kept, "at": at.isoformat()})
