"""What needs a person: one small rule for each way in which a tenant is known to need one.

A rule says it in words, with the next command. What is under way needs nobody: it has its own end. A tenant that is
suspended, retired or never made is only looked at for what that itself means.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from provisioner.model.fleet.needs import Need, Weight
from provisioner.model.forecast.resources import Resource, growth
from provisioner.model.ledger import OperationStatus
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.rollout.states import StepState
from provisioner.model.tenant import Tenant

if TYPE_CHECKING:
    from provisioner.model.fleet.standing import Known

FULL_NOW, FULL_SOON, FULL_LATER = timedelta(days=3), timedelta(days=14), timedelta(days=45)
"""How soon something must run out at the earliest."""
_SEEN = {
    "health": timedelta(hours=2),
    "alarms": timedelta(hours=2),
    "forecast": timedelta(days=2),
    "drift": timedelta(days=3),
    "patch": timedelta(days=3),
}
"""Facts that a worker keeps fresh, and how old they may be."""
_OPTIONS = {
    "root_disk_gib": "--disk",
    "database_storage_gib": "--storage",
    "database_class": "--class",
    "instance_type": "--type",
}
_ON = (OperationStatus.FAILED, OperationStatus.INTERRUPTED)
_STEPS = {
    StepState.BROKEN: Weight.NOW,
    StepState.INCONCLUSIVE: Weight.NOW,
    StepState.FAILED: Weight.SOON,
    StepState.QUARANTINED: Weight.SOON,
}


def needs_of(known: "Known", now: datetime) -> Iterator[Need]:
    """All needs of a tenant, in no order."""
    yield from _registry(known, now)
    yield from _operation(known)
    if known.lifecycle in (Lifecycle.ACTIVE, Lifecycle.FAILED):
        yield from _rollout(known)
        yield from _health(known)
        yield from _alarms(known)
        yield from _capacity(known, now)
        yield from _drift(known)
        yield from _patch(known, now)
        yield from _recovery(known, now)
    if known.lifecycle is Lifecycle.ACTIVE:
        yield from _unseen(known, now)


def _show(known: "Known") -> str:
    return f"provision show {known.id}"


def _registry(known: "Known", now: datetime) -> Iterator[Need]:
    tenant, today = known.tenant, now.astimezone(UTC).date()
    if tenant is None:
        hint = f"put its entry back into the registry, or provision offboard {known.id}"
        yield Need("orphaned", "registry", Weight.SOON, "it lives, and the registry doesn't have it", hint)
        return
    if known.record is None:
        words = "it is in the registry, and was never made"
        yield Need("never-made", "registry", Weight.LATER, words, f"provision apply {known.id}")
    if tenant.expires is not None and tenant.expires < today:
        words = f"its last day was {tenant.expires}"
        yield Need("expired", "registry", Weight.LATER, words, f"provision offboard {known.id}")
    if tenant.pin is not None and tenant.pin.expires is not None and tenant.pin.expires < today:
        words = f"its pin to {tenant.desired_release} has expired, and still holds"
        yield Need("pin-expired", "registry", Weight.LATER, words, "take release and pin out, or give a later date")


def _operation(known: "Known") -> Iterator[Need]:
    """What was begun and isn't under way: it waits for somebody."""
    task, record = known.task, known.record
    if task is not None and not task.busy:
        ended = task.status in _ON
        if ended or (task.status is OperationStatus.RUNNING):
            words = f"its {task.kind} " + (f"{task.status}: {task.error}" if task.error else "was cut off")
            on = task.hint or f"provision operations resume {task.id}"
            yield Need("operation", "operation", Weight.NOW, words, on)
            return
    if record is not None and record.lifecycle is Lifecycle.FAILED:
        yield Need("failed", "lifecycle", Weight.NOW, record.cause or "it failed, the cause isn't known", _show(known))


def _rollout(known: "Known") -> Iterator[Need]:
    if known.rolling is None:
        return
    rolling, step = known.rolling
    weight = _STEPS.get(step.state)
    if weight is not None:
        words = f"is {step.state} in rollout {rolling.id}: {step.cause or 'no cause is known'}"
        yield Need(f"rollout-{step.state}", "rollout", weight, words, f"provision rollout status {rolling.id}")


def _health(known: "Known") -> Iterator[Need]:
    health = known.value("health")
    status = health.get("status")
    if status in ("unhealthy", "unreachable"):
        detail = f": {health['detail']}" if health.get("detail") else ""
        yield Need("health", "health", Weight.NOW, f"its product is {status}{detail}", _show(known))
    outage = known.value("outage")
    if outage and "until" not in outage and not (known.task and known.task.busy):
        words = f"nobody has been served since {_day(str(outage['at']))}"
        yield Need("outage", "health", Weight.NOW, words, _show(known))


def _alarms(known: "Known") -> Iterator[Need]:
    for alarm in known.value("alarms").get("firing", ()):
        words = f"alarm {alarm['name']} since {_day(str(alarm['since']))}: {alarm['reason']}"
        yield Need(f"alarm-{alarm['name']}", "alarm", Weight.NOW, words, _show(known))


def _capacity(known: "Known", now: datetime) -> Iterator[Need]:
    at = known.moment("forecast", "earliest") or known.moment("forecast", "at")
    resource = known.value("forecast").get("resource")
    if at is None or resource is None:
        return
    limits = ((FULL_NOW, Weight.NOW), (FULL_SOON, Weight.SOON), (FULL_LATER, Weight.LATER))
    weight = next((w for span, w in limits if at - now <= span), None)
    if weight is not None:
        by = "has run out" if at <= now else f"may run out by {at:%Y-%m-%d %H:%M} UTC"
        yield Need(f"capacity-{resource}", "capacity", weight, f"its {resource} {by}", _larger(known.tenant, resource))


def _larger(tenant: Tenant | None, resource: str) -> str | None:
    grow = growth(Resource(resource), tenant.sizing) if tenant else None
    if tenant is None or grow is None:
        return None
    return f"provision resize {tenant.id} {_OPTIONS[grow.setting]} {grow.value}"


def _drift(known: "Known") -> Iterator[Need]:
    drift, fix = known.value("drift"), f"provision drift {known.id}"
    for key, weight, words in (
        ("regression", Weight.NOW, "security regressions by hand"),
        ("outage", Weight.NOW, "things stopped or gone by hand"),
        ("unknown", Weight.LATER, "changes by hand that no rule knows"),
    ):
        if drift.get(key):
            yield Need(f"drift-{key}", "drift", weight, f"{drift[key]} {words}", fix)


def _patch(known: "Known", now: datetime) -> Iterator[Need]:
    patch, due = known.value("patch"), known.moment("patch", "next_deadline")
    install = f"provision patch install {known.id}"
    late = int(patch.get("deadline_missed") or 0) + (due is not None and due < now)
    if late:
        yield Need("patch-deadline", "patch", Weight.NOW, f"{late} patch(es) past the deadline", install)
    elif patch.get("critical"):
        yield Need("patch-critical", "patch", Weight.SOON, f"{patch['critical']} critical advisories are open", install)
    if patch.get("failed"):
        yield Need("patch-failed", "patch", Weight.SOON, f"{patch['failed']} package(s) failed to install", install)
    if patch.get("pending_reboot"):
        yield Need("patch-reboot", "patch", Weight.LATER, "patches wait for a reboot", install)


def _recovery(known: "Known", now: datetime) -> Iterator[Need]:
    """The promises of its tier, with some room: a schedule may be a little late."""
    if known.tenant is None or known.record is None:
        return
    policy, made = known.tenant.backup, known.record.updated_at
    taken = known.moment("backup", "taken_at")
    allowed = timedelta(minutes=policy.rpo_minutes)
    if now - (taken or made) > allowed:
        words = f"its newest recovery point is of {taken:%Y-%m-%d %H:%M} UTC" if taken else "it has no recovery point"
        promise = f", and no more than {_span(allowed)} may be lost"
        yield Need("backup", "recovery", Weight.NOW, words + promise, f"provision backup create {known.id}")
    verdict, proven = known.value("drill").get("verdict"), known.moment("drill", "proven_at")
    drill = f"provision drill {known.id}"
    if verdict == "failed":
        yield Need("drill-failed", "recovery", Weight.NOW, "its last drill failed", drill)
    elif now - (proven or made) > timedelta(days=policy.drill_days + 1):
        words = f"a restore was proven {(now - proven).days} days ago" if proven else "no restore was ever proven"
        yield Need("drill", "recovery", Weight.SOON, f"{words}, and {policy.drill_days} days are allowed", drill)


def _unseen(known: "Known", now: datetime) -> Iterator[Need]:
    """Nothing is called fine that nobody has looked at."""
    made = known.record.updated_at if known.record else now
    old = []
    for name, allowed in _SEEN.items():
        fact = known.fact(name)
        if now - (fact.at if fact else made) > allowed:
            old.append(f"{name} {_span(now - fact.at) + ' ago' if fact else 'never'}")
    if old:
        words = f"not looked at for long: {', '.join(old)}"
        yield Need("unseen", "unseen", Weight.LATER, words, "provision worker --once")


def _span(time: timedelta) -> str:
    hours = int(time.total_seconds() // 3600)
    return f"{hours} h" if hours < 72 else f"{hours // 24} days"


def _day(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
