"""What comes next in a rollout: a pure function of the frozen plan, its tenants' rows, the operator's wishes and time.

Asked again and again by whoever drives the rollout, so any process can go on where another one died. Nothing new is
begun when more has failed than may, when two tenants failed of one cause, when it can't be told how a step ended, or
when an operator wants that; what is under way ends first, and only then the rollout gets its new status.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from provisioner.model.rollout.channel import stays
from provisioner.model.rollout.frozen import PlannedTenant, RolloutPlan, Wave
from provisioner.model.rollout.halting import halt
from provisioner.model.rollout.progress import Decision, Move, Row, View, Wishes, names, told, wave_name
from provisioner.model.rollout.states import FAILURES, FLIGHT, RETRIABLE, SKIPPABLE, RolloutStatus, StepState
from provisioner.model.rollout.windows import earliest, shown

_S = StepState
_NAMED = 10
"""So many tenants in a command, at most."""


def decide(rollout: str, plan: RolloutPlan, rows: Iterable[Row], wishes: Wishes, now: datetime) -> Decision:
    """What comes next in the rollout of this id. A tenant of the plan without a row waits."""
    known = {row.tenant: row for row in rows}
    moves = tuple(_moves(plan, known, wishes))
    for move in moves:
        old = known.get(move.tenant, Row(move.tenant))
        known[move.tenant] = replace(old, state=move.state, cause=move.cause, not_before=None)
    view = View(rollout, plan, {t: known.get(t, Row(t)) for t in plan.tenants}, now)
    found = _operator(view, wishes) or (_back(view) if wishes.rollback else halt(view) or _forward(view))
    return replace(found, moves=moves)


def _moves(plan: RolloutPlan, rows: Mapping[str, Row], wishes: Wishes) -> Iterator[Move]:
    for tenant in plan.tenants:
        row = rows.get(tenant, Row(tenant))
        if tenant in wishes.skip and row.state in SKIPPABLE:
            before = f" (before: {row.state}{f', {row.cause}' if row.cause else ''})"
            yield Move(tenant, _S.SKIPPED, "by an operator" + (before if row.state is not _S.WAITING else ""))
        elif tenant in wishes.retry and wishes.rollback and row.state in {_S.BROKEN, _S.INCONCLUSIVE}:
            yield Move(tenant, _S.SUCCEEDED, "to be taken back once more")
        elif tenant in wishes.retry and row.state in RETRIABLE and not wishes.rollback:
            yield Move(tenant, _S.WAITING, None)


def _operator(view: View, wishes: Wishes) -> Decision | None:
    if wishes.abort is not None:
        return view.stop(RolloutStatus.ABORTED, f"aborted: {wishes.abort}", view.verb("status"))
    if wishes.pause is not None:
        return view.stop(RolloutStatus.PAUSED, f"paused: {wishes.pause}", view.verb("resume"))
    return None


def _forward(view: View) -> Decision:
    before: Wave | None = None
    for wave in view.plan.waves:
        if any(row.state in {_S.WAITING, _S.RUNNING} for row in view.wave(wave)):
            return (before and _unproven(view, before)) or _watched(view, wave) or _dispatch(view, wave)
        before = wave
    unproven = before and _unproven(view, before)
    if unproven:
        return unproven
    moved = len(view.of(_S.SUCCEEDED))
    if view.plan.waves and not moved:
        cause = f"nobody was {view.plan.moved}"
        again = view.verb("retry-failed", next(iter(view.rows)))
        return view.stop(RolloutStatus.PAUSED, cause, f"{again}, or {view.verb('abort')}")
    counted = Counter(str(row.state) for row in view.rows.values() if row.state is not _S.SUCCEEDED)
    rest = "".join(f", {number} {state}" for state, number in sorted(counted.items()))
    why = stays(view.plan, view.rows.values()) if view.plan.channel else None
    channel = f"; channel {view.plan.channel} stays where it is: {why}" if why else ""
    cause = f"{moved} {view.plan.reached}{rest}{channel}"
    return Decision(status=RolloutStatus.SUCCEEDED, cause=cause, hint=view.verb("status"))


def _unproven(view: View, wave: Wave) -> Decision | None:
    """A wave of which nobody was moved has shown nothing; who skips all of it says that this is meant."""
    rows = view.wave(wave)
    if any(row.state is _S.SUCCEEDED for row in rows) or all(row.state is _S.SKIPPED for row in rows):
        return None
    left = [row for row in rows if row.state is not _S.SKIPPED]
    cause = f"nobody of {wave_name(wave)} was moved, so nothing is known about {view.plan.release}: {told(left[0])}"
    them = [row.tenant for row in left[:_NAMED]]
    hint = f"{view.verb('retry-failed', *them)}, or {view.verb('skip', *them)}"
    return view.stop(RolloutStatus.PAUSED, cause, hint)


def _watched(view: View, wave: Wave) -> Decision | None:
    """Until when the waves before are watched."""
    ends = [
        (row.ended_at + timedelta(minutes=before.bake_minutes), before)
        for before in view.plan.waves[: wave.number - 1]
        for row in view.wave(before)
        if row.state is _S.SUCCEEDED and row.ended_at is not None
    ]
    until, before = max(ends, key=lambda e: (e[0], e[1].number), default=(view.now, wave))
    if until <= view.now:
        return None
    return Decision(until=until, cause=f"{wave_name(before)} is watched until {shown(until)}")


def _dispatch(view: View, wave: Wave) -> Decision:
    flight = view.of(*FLIGHT)
    room = _limit(view, wave) - len(flight)
    regions = Counter(view.plan.tenants[row.tenant].region for row in flight)
    begin: list[str] = []
    later: list[tuple[datetime | None, str, str]] = []
    waits = 0
    for tenant in wave.tenants:
        row = view.rows[tenant.id]
        if row.state is not _S.WAITING:
            continue
        if len(begin) >= room or _region_full(view, regions, tenant):
            waits += 1
            continue
        at, why = _turn(view, tenant, row)
        if at is not None and at <= view.now:
            begin.append(tenant.id)
            regions[tenant.region] += 1
        else:
            later.append((at, tenant.id, why))
    times = [(at, tenant, why) for at, tenant, why in later if at is not None]
    if not begin and not flight and not times and not waits:
        _, tenant_id, why = later[0]
        return view.stop(RolloutStatus.PAUSED, f"{tenant_id} can't be moved: {why}", view.verb("skip", tenant_id))
    until, _, why = min(times, default=(None, "", ""))
    return Decision(
        begin=tuple(begin), until=until, cause=_busy(wave, len(flight) + len(begin), waits, len(later), why)
    )


def _limit(view: View, wave: Wave) -> int:
    """How many may be under way at once now."""
    strategy, rows = view.plan.strategy, view.wave(wave)
    limit = strategy.max_concurrency
    if strategy.ramp:
        moved = sum(row.state is _S.SUCCEEDED for row in rows)
        limit = min(limit, 1 << (moved + 1).bit_length() - 1)
    if strategy.strict:
        failed = sum(row.state in FAILURES for row in rows)
        spare = strategy.wave_budget(len(rows)) - failed
        total = strategy.total_budget(len(view.rows)) - len(view.of(*FAILURES))
        limit = min(limit, spare + 1, total + 1)
    return limit


def _region_full(view: View, regions: Mapping[str, int], tenant: PlannedTenant) -> bool:
    most = view.plan.strategy.per_region
    return most is not None and regions.get(tenant.region, 0) >= most


def _turn(view: View, tenant: PlannedTenant, row: Row) -> tuple[datetime | None, str]:
    at = max(view.now, row.not_before or view.now)
    slot = earliest(at, tenant.window, tenant.time_zone, tenant.ring, view.plan.freezes)
    why = f"not before {shown(at)}" if slot.at == at and at > view.now else slot.why
    return slot.at, f"{tenant.id}: {why}"


def _back(view: View) -> Decision:
    """Who was moved is taken back, the last wave first. No window is waited for: the operator says now."""
    if view.of(_S.RUNNING):
        return Decision(cause=f"will be rolled back: {names(view.of(_S.RUNNING))} under way")
    strategy, flight = view.plan.strategy, view.of(_S.REVERTING)
    regions = Counter(view.plan.tenants[row.tenant].region for row in flight)
    begin: list[str] = []
    moved = [row.tenant for row in view.of(_S.SUCCEEDED)]
    for tenant in (view.plan.tenants[t] for t in reversed(moved)):
        if len(flight) + len(begin) >= strategy.max_concurrency:
            break
        if not _region_full(view, regions, tenant):
            begin.append(tenant.id)
            regions[tenant.region] += 1
    if moved or flight:
        return Decision(begin=tuple(begin), cause=f"{len(flight) + len(begin)} are being taken back")
    stuck = view.of(_S.BROKEN, _S.INCONCLUSIVE)
    if stuck:
        cause = f"{told(stuck[0])}; {names(stuck)} not taken back"
        again = view.verb("retry-failed", stuck[0].tenant)
        hint = f"provision show {stuck[0].tenant}; when it is mended: {again}; or {view.verb('abort')}"
        return view.stop(RolloutStatus.HALTED, cause, hint)
    return Decision(
        status=RolloutStatus.ROLLED_BACK,
        cause=f"{len(view.of(_S.REVERTED))} are as before",
        hint=view.verb("status"),
    )


def _busy(wave: Wave, flight: int, waits: int, later: int, why: str) -> str:
    facts = [f"{flight} under way"] if flight else []
    facts += [f"{waits} wait for their turn"] if waits else []
    facts += [f"{later} may not be changed yet ({why})"] if later else []
    return f"{wave_name(wave)}: {', '.join(facts)}"
