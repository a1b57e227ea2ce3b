"""`provision offboard`: a goodbye in two operations.

`offboard` proves that a last recovery point can be restored, hands the customer its data, and stops the compute. The
tenant then rests for its grace period, in which `resume` brings it back. `retire` destroys it, looks for anything that
is left, and writes the certificate. Nothing with data is destroyed unless the last recovery point was proven.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from provisioner.model.change import Event, EventKind
from provisioner.model.errors import RefusedError, UsageError
from provisioner.model.json import JsonDict
from provisioner.model.ledger import Operation, OperationStatus, StepStatus, TenantRecord
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import OperationDefinition, OperationStepDefinition, Progress, StepContext
from provisioner.model.recovery import BackupPolicy, PointKind, Verdict
from provisioner.ops.allowed import due_day, has_data, refuse_unknown
from provisioner.ops.closing import close, closed, refuse_reopened, reopen
from provisioner.ops.cut_off import refuse_cut_off, refuse_upgrading
from provisioner.ops.desired import check_ledger, confirm_caller, freeze, last_applied, stack_args, thaw_args
from provisioner.ops.drill import conclude
from provisioner.ops.export import Export, refuse_folder
from provisioner.ops.house import House
from provisioner.ops.operations import new_id, unfinished
from provisioner.ops.points import Points, wanted
from provisioner.ops.quarantine import Quarantine, proof_part, quarantine_args
from provisioner.ops.rest import Rest


@dataclass(frozen=True, slots=True)
class Goodbye:
    """What comes next for a tenant that leaves. `kind`: offboard or retire; `due`: the day on which it may be retired;
    `resumed`: it goes on."""

    tenant: str
    kind: str
    operation_id: str
    payload: JsonDict
    due: date | None = None
    resumed: bool = False


def propose(house: House, tenant_id: str, *, folder: Path | None = None, now: bool = False) -> Goodbye:
    """The next operation. `folder`: where the data goes, or `ID-export`. `now`: the grace period is left out. Raises
    UsageError for an unknown or retired tenant, for one whose day hasn't come, and where the data went or goes
    elsewhere."""
    waiting = unfinished(house, tenant_id, "offboard", "retire")
    if waiting is not None and not _vain(house, waiting):
        _refuse_elsewhere(tenant_id, waiting.payload, folder)
        return Goodbye(tenant_id, waiting.kind, waiting.id, waiting.payload, resumed=True)
    record = house.ledger.tenant(tenant_id)
    if record is not None and record.lifecycle is Lifecycle.RETIRED:
        raise UsageError(f"tenant {tenant_id} is retired already", hint=f"provision certificate {tenant_id}")
    due = due_day(record)
    if due is not None:
        if not now and due > house.clock.now().date():
            raise UsageError(
                f"tenant {tenant_id} is suspended, and will be retired on {due}",
                hint=f"provision resume {tenant_id} to keep it, or provision offboard {tenant_id} --now",
            )
        payload = propose_retire(house, tenant_id)
        _refuse_elsewhere(tenant_id, payload, folder)
        return Goodbye(tenant_id, "retire", new_id(house.clock), payload, due)
    if record is None or not has_data(record):
        payload = propose_retire(house, tenant_id)
        refuse_unknown(house, tenant_id, payload)
        return Goodbye(tenant_id, "retire", new_id(house.clock), payload)
    return _propose_offboard(house, record, folder or Path(f"{tenant_id}-export"), now=now)


def _refuse_elsewhere(tenant_id: str, payload: JsonDict, folder: Path | None) -> None:
    """Raise UsageError where the data of a goodbye under way isn't where it is wanted now."""
    handed: Any = payload.get("export") or {}
    place: Any = payload.get("folder") or handed.get("folder")
    if folder is not None and place is not None and folder.resolve() != Path(place).resolve():
        raise UsageError(
            f"the goodbye of {tenant_id} goes on, with its data in {place}: {folder.absolute()} would get none",
            hint=f"the same command with --export {place}, or without it",
        )


def _vain(house: House, waiting: Operation) -> bool:
    """Whether going on can't help: an offboarding that failed and was opened to the product again, a
    destruction that was refused before it began."""
    whole = house.ledger.operation(waiting.id)
    steps = whole.steps if whole else ()
    if waiting.kind == "retire":
        return not steps and waiting.status is OperationStatus.FAILED
    done = {s.name for s in steps if s.status is StepStatus.DONE}
    return "close" in done and not closed(house, waiting.tenant)


def propose_retire(house: House, tenant_id: str) -> JsonDict:
    """The frozen input of the destruction."""
    record = house.ledger.tenant(tenant_id)
    known = record.facts.get("offboarding") if record else None
    final: Any = known.value if known else {}
    base, _ = _base(house, tenant_id)
    return {
        **base,
        "final": final.get("point"),
        "final_until": final.get("keep_until"),
        "export": final.get("export"),
        "proof": {"evidence": final.get("evidence"), "hash": final.get("hash")},
    }


def carry_out(house: House, goodbye: Goodbye, progress: Progress) -> JsonDict:
    """Do what was proposed."""
    confirm_caller(house, goodbye.payload, progress)
    return house.operations.run(goodbye.kind, goodbye.operation_id, goodbye.tenant, goodbye.payload, progress)


def _propose_offboard(house: House, record: TenantRecord, folder: Path, *, now: bool) -> Goodbye:
    """First the last recovery point. Only a tenant that runs can prove and hand over what it has."""
    refuse_upgrading(house, record.id, "offboarded")
    if record.lifecycle not in (Lifecycle.ACTIVE, Lifecycle.FAILED):
        hints = {Lifecycle.SUSPENDED: f"provision resume {record.id}"}
        raise UsageError(
            f"tenant {record.id} can't be offboarded: it is {record.lifecycle}, and its last recovery point must be "
            "made while it runs",
            hint=hints.get(record.lifecycle, f"provision operations list --tenant {record.id} --unfinished"),
        )
    refuse_cut_off(house, record.id, "offboarded")
    refuse_folder(folder, record.id)
    base, policy = _base(house, record.id)
    operation_id, at = new_id(house.clock), house.clock.now()
    due = at.date() + timedelta(days=0 if now else policy.grace_days)
    keep = (due - at.date()).days + policy.final_days
    point = wanted(record.id, policy, operation_id, PointKind.FINAL, at, days=keep)
    # The key is the point's, which isn't made yet.
    inside = quarantine_args(thaw_args(base), str(point["id"]), "", operation_id, at)
    previous = record.facts.get("drill")
    payload: JsonDict = {
        **base,
        "point": point,
        "proof": proof_part(inside, None, at, previous.value if previous else None),
        "folder": str(folder.absolute()),
        "due": due.isoformat(),
    }
    return Goodbye(record.id, "offboard", operation_id, payload, due)


def _base(house: House, tenant_id: str) -> tuple[JsonDict, BackupPolicy]:
    """What an operation on the tenant needs, and its tier's promise. An edit of the registry that wasn't applied isn't
    in it: it could replace the database on the way to its end. An entry that was removed by hand leaves the stack
    behind: what it was is in the tenant's last operation."""
    registry, record = house.registry().load(), house.ledger.tenant(tenant_id)
    if tenant_id in registry.tenant_ids():
        tenant = registry.tenant(tenant_id)
        release = (record.assigned_release if record else None) or tenant.desired_release
        check_ledger(house, tenant)
        args = last_applied(house, tenant_id) or stack_args(house, registry, tenant, release)
        return freeze(house, registry, tenant, args), tenant.backup
    last = next(iter(house.ledger.operations(tenant=tenant_id, limit=1)), None)
    if last is None or "args" not in last.payload:
        raise UsageError(
            f"there is no tenant {tenant_id}, neither in the registry nor in the ledger", hint="provision list"
        )
    kept = ("registry", "target", "args", "digest")
    return {k: v for k, v in last.payload.items() if k in kept}, BackupPolicy()


class Offboard:
    """Steps of `offboard`, over one house."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._rest = Rest(house)
        self._quarantine = Quarantine(house)
        self._points = Points(house)
        self._export = Export(house, closed=True)

    def definitions(self) -> dict[str, OperationDefinition]:
        """The kind by name."""
        mark, *point = self._points.steps()
        steps = (
            mark,
            OperationStepDefinition("close", lambda ctx: close(self._house, ctx)),
            *point,
            *self._quarantine.steps(),
            OperationStepDefinition("proof", self.proof),
            *self._export.steps(),
            OperationStepDefinition("stop", self._rest.stop),
            OperationStepDefinition("rest", self.rest),
        )
        reason, started = "it is being offboarded", lambda ctx: refuse_reopened(self._house, ctx)
        return {"offboard": OperationDefinition("offboard", reason, steps, started=started, failed=self.failed)}

    def failed(self, ctx: StepContext, _cause: str) -> None:
        """It serves on, until somebody begins again; once its data was handed over it goes on where it stopped."""
        if "fetch" not in ctx.results:
            reopen(self._house, ctx)

    def proof(self, ctx: StepContext) -> JsonDict:
        """The last recovery point must be good, or nothing goes on. Raises RefusedError where it isn't."""
        found = conclude(self._house, ctx)
        if found["verdict"] != str(Verdict.PASSED):
            checks: Any = found["checks"]
            listing = "\n".join(f"  {c['name']}: {c['detail']}" for c in checks if not c["ok"])
            raise RefusedError(
                f"the last recovery point of {ctx.tenant} could not be proven ({found['verdict']}), so nothing is "
                f"destroyed:\n{listing}",
                hint=f"mend it, then provision offboard {ctx.tenant} makes another",
            )
        return found

    def rest(self, ctx: StepContext) -> JsonDict:
        """Compute is stopped; on its day the tenant may be retired."""
        part: Any = ctx.payload["point"]
        fetched = ctx.results["fetch"]
        fact: JsonDict = {
            "due": ctx.payload["due"],
            "point": part["id"],
            "keep_until": part["expires"],
            "evidence": ctx.results["proof"]["evidence"],
            "hash": ctx.results["proof"]["hash"],
            "export": {k: fetched[k] for k in ("folder", "files", "size", "manifest")},
        }
        self._house.ledger.observe(ctx.tenant, "offboarding", fact)
        self._rest.rest(ctx)
        words = f"suspended; it may be retired from {ctx.payload['due']} on"
        ctx.progress(Event(EventKind.MESSAGE, ctx.tenant, "offboard", message=words))
        return {"tenant": ctx.tenant, **fact}
