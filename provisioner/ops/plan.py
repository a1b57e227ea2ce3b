"""`provision plan`: what each tenant needs, and why. Changes nothing in the cloud, the registry or the state."""

import time
from collections.abc import Callable, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from threading import Event as Flag
from threading import Thread
from typing import Literal, TypeVar

from provisioner.model.change import Difference, Plan, Step
from provisioner.model.drift.judge import counts, findings, sort_out
from provisioner.model.errors import ExitCode, ProvisionError, UsageError
from provisioner.model.json import JsonDict
from provisioner.model.ledger import Operation, TenantRecord
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import RunOptions, Stack
from provisioner.model.tenant import Tenant, desired_digest
from provisioner.ops import guard
from provisioner.ops.by_hand import by_hand
from provisioner.ops.converge import starts_anew, state_lost
from provisioner.ops.cut_off import cut_off, refusal, upgrading, way_out
from provisioner.ops.desired import freeze, stack_args
from provisioner.ops.house import House, RegistryView
from provisioner.ops.operations import UNFINISHED, unfinished
from provisioner.ops.quotas import check_quotas
from provisioner.ops.waivers import freeze_waivers

Answer = TypeVar("Answer")
Verdict = Literal["unchanged", "change", "create", "resume", "refused", "failed", "applied"]
ACTIONABLE: tuple[Verdict, ...] = ("change", "create", "resume")
PREVIEW_DEADLINE = 15 * 60.0
_MANY = 10_000
# Longer than any engine gives a cancelled preview.
_ENDING = 6.0
_NOT_NOW = (Lifecycle.SUSPENDED, Lifecycle.RESTORING, Lifecycle.OFFBOARDING)


@dataclass(frozen=True, slots=True)
class Intention:
    """What one tenant needs, and why. `payload` is the frozen input of the operation that would do it. `drift`: what
    somebody changed by hand, None where it wasn't looked for or can't be told; `planned`: the steps of the plan that
    have another cause."""

    tenant: str
    verdict: Verdict
    reason: str
    plan: Plan | None = None
    payload: JsonDict | None = None
    operation_id: str | None = None
    error: ProvisionError | None = None
    drift: tuple[Difference, ...] | None = None
    planned: tuple[Step, ...] = ()


def decide(
    tenant: Tenant, record: TenantRecord | None, waiting: Operation | None, program_version: str, *, refresh: bool
) -> Intention:
    """What the registry and the ledger alone say. Pure: the cloud is looked at later, and only where it's needed."""
    if record is None or record.lifecycle is Lifecycle.RETIRED:
        return Intention(tenant.id, "create", "it was never made")
    if waiting is not None and waiting.kind == "new-tenant":
        return Intention(tenant.id, "resume", "its creation is unfinished", operation_id=waiting.id)
    if record.lifecycle in _NOT_NOW or (waiting is not None and waiting.kind == "offboard"):
        restore = waiting if waiting is not None and waiting.kind == "restore" else None
        hint = way_out(restore) if restore else f"provision show {tenant.id}"
        error = UsageError(f"tenant {tenant.id} can't be applied: it is {record.lifecycle}", hint=hint)
        return Intention(tenant.id, "failed", error.message, error=error)
    reason = _why(tenant, record, program_version, refresh=refresh)
    return Intention(tenant.id, "change" if reason else "unchanged", reason or "its desired state was reached")


def _why(tenant: Tenant, record: TenantRecord, program_version: str, *, refresh: bool) -> str | None:
    if record.lifecycle is not Lifecycle.ACTIVE:
        return f"it is {record.lifecycle}"
    if _pending(tenant, record, program_version):
        return "its desired state was changed"
    drift = record.facts.get("drift")
    if drift is not None and drift.value.get("changes"):
        return f"drift was seen at {drift.at:%Y-%m-%d %H:%M} UTC"
    return "the cloud is asked (--refresh)" if refresh else None


def _pending(tenant: Tenant, record: TenantRecord, program_version: str) -> bool:
    """Whether something else is wanted than what was reached last."""
    release = record.assigned_release or tenant.desired_release
    return record.applied_digest != desired_digest(tenant, release, program_version)


def plan(
    house: House,
    registry: RegistryView,
    tenants: Sequence[Tenant],
    *,
    refresh: bool = False,
    parallel: int = 8,
) -> list[Intention]:
    """One intention for each tenant, in the given order. A tenant that can't be planned is an answer, not an end."""
    records = {r.id: r for r in house.records()}
    begun = {o.tenant for o in house.ledger.operations(kinds=("upgrade",), statuses=UNFINISHED, limit=_MANY)}
    first = [_decided(house, t, records.get(t.id), begun, refresh=refresh) for t in tenants]
    looked = [(t, i) for t, i in zip(tenants, first, strict=True) if i.verdict in ("change", "create")]
    if not looked:
        return first
    cancel = Flag()
    options = RunOptions(refresh=True, cancel=cancel, deadline=PREVIEW_DEADLINE)

    def look(pair: tuple[Tenant, Intention]) -> Intention:
        tenant, intention = pair
        return (
            intention if cancel.is_set() else _look(house, registry, tenant, records.get(tenant.id), intention, options)
        )

    def look_at_all() -> list[Intention]:
        with ThreadPoolExecutor(max_workers=min(parallel, len(looked))) as pool:
            return list(pool.map(look, looked))

    by_id = {a.tenant: a for a in unless_interrupted(look_at_all, cancel)}
    return [by_id.get(i.tenant, i) for i in first]


def unless_interrupted(work: Callable[[], Answer], cancel: Flag) -> Answer:
    """Its answer. In a thread of its own, so that ^C is raised here, where nothing is half-done. It sets the flag then,
    and waits: another ^C doesn't cut that short, for what the previews run would be left alone, and it takes seconds.
    """
    answer: Future[Answer] = Future()

    def carry_out() -> None:
        try:
            answer.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            answer.set_exception(error)

    try:
        Thread(target=carry_out, daemon=True).start()
        return answer.result()
    except BaseException:
        cancel.set()
        until = time.monotonic() + _ENDING
        while not answer.done() and (left := until - time.monotonic()) > 0:
            with suppress(KeyboardInterrupt):
                wait([answer], timeout=left)
        raise


def _decided(house: House, tenant: Tenant, record: TenantRecord | None, begun: Set[str], *, refresh: bool) -> Intention:
    """`begun`: tenants with an upgrade that didn't come to its end."""
    at_rest = record is None or record.lifecycle in (Lifecycle.ACTIVE, Lifecycle.RETIRED)
    upgrade = upgrading(house, tenant.id) if tenant.id in begun or not at_rest else None
    if upgrade is not None:
        error = refusal(house, upgrade, "applied")
        return Intention(tenant.id, "refused", error.message, error=error)
    waiting = None if at_rest else cut_off(house, tenant.id) or unfinished(house, tenant.id)
    return decide(tenant, record, waiting, house.program_version, refresh=refresh)


def _look(
    house: House,
    registry: RegistryView,
    tenant: Tenant,
    record: TenantRecord | None,
    decided: Intention,
    options: RunOptions,
) -> Intention:
    """Preview one tenant against the cloud as it is, and ask the firewall."""
    seen, before = decided, moment(house, tenant.id)
    try:
        release = tenant.desired_release
        if record is not None and decided.verdict == "change":
            _same_target(tenant, record)
            release = record.assigned_release or release
        args = stack_args(house, registry, tenant, release)
        if decided.verdict == "create":
            check_quotas(house, tenant)
        stack = house.stack(args)
        found = house.engine(tenant.target).preview(stack, options)
        seen = replace(decided, plan=found)
        if record is not None and record.applied_digest is not None and starts_anew(found):
            raise state_lost(tenant.id, tenant.target)
        if record is not None and decided.verdict == "change":
            seen = _with_drift(house, tenant, record, seen, stack, before)
        guard.check(house, tenant.id, tenant.target, stack, found, tenant.waivers)
    except ProvisionError as error:
        verdict: Verdict = "refused" if error.exit_code is ExitCode.REFUSED else "failed"
        return replace(seen, verdict=verdict, reason=error.message, error=error)
    payload = freeze(house, registry, tenant, args, waivers=freeze_waivers(tenant))
    if not found.changes and not seen.drift and record is not None and record.lifecycle is Lifecycle.ACTIVE:
        return replace(seen, verdict="unchanged", reason="the cloud is as desired", payload=payload)
    return replace(seen, payload=payload)


def _with_drift(
    house: House, tenant: Tenant, record: TenantRecord, seen: Intention, stack: Stack, before: object
) -> Intention:
    """With what somebody changed by hand, on the record. Where the tenant was changed since the moment `before`, what
    is half done looks the same, and nothing is told."""
    cloud = house.cloud(tenant.target, tenant.region)
    beside = by_hand(cloud, tenant.id, house.engine(tenant.target).export(stack))
    pending = _pending(tenant, record, house.program_version)
    told = sort_out(seen.plan or Plan(()), beside, pending=pending)
    if before is None or before != moment(house, tenant.id):
        return seen
    house.ledger.observe(tenant.id, "drift", {**counts(findings(told.drift)), "planned": len(told.planned)})
    return replace(seen, drift=told.drift, planned=told.planned)


def moment(house: House, tenant_id: str) -> tuple[object, ...] | None:
    """What says that nobody has changed a tenant between two looks at it; None while somebody does."""
    if house.ledger.lease(tenant_id) is not None:
        return None
    record = house.ledger.tenant(tenant_id)
    newest = house.ledger.operations(tenant=tenant_id, limit=1)
    return (record.updated_at if record else None, *((o.id, o.status) for o in newest))


def _same_target(tenant: Tenant, record: TenantRecord) -> None:
    if record.target != tenant.target.name:
        raise UsageError(
            f"tenant {tenant.id} lives on target {record.target}, not on {tenant.target.name}",
            hint=f"leave --target away, or set tenants/{tenant.id}/target to {record.target} in the registry",
        )
