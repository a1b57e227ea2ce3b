"""Why nothing new may be begun in a rollout: what is worst comes first."""

from provisioner.model.rollout.fingerprint import fingerprint, own_cause
from provisioner.model.rollout.progress import Decision, Row, View, names, told, wave_name
from provisioner.model.rollout.states import FAILURES, MOVED, RolloutStatus, StepState

SAME_OWN = 3
"""So many tenants of one "own" cause are no accident."""
_S = StepState


def halt(view: View) -> Decision | None:
    """The rollout stops, or is about to; None where nothing is against going on."""
    halted = _broken(view) or _same_cause(view) or _over_budget(view)
    if halted:
        tenant, cause = halted
        ways = [view.verb("rollback")] if _can_go_back(view) else []
        ways += [f"when it is mended: {view.verb('retry-failed', tenant)}", f"or {view.verb('abort')}"]
        return view.stop(RolloutStatus.HALTED, cause, "; ".join(ways))
    paused = _unknown(view) or _not_so_own(view)
    if paused:
        tenant, cause = paused
        retry, skip = view.verb("retry-failed", tenant), view.verb("skip", tenant)
        hint = f"look at it (provision show {tenant}); then {retry}, or {skip}"
        return view.stop(RolloutStatus.PAUSED, cause, hint)
    return _taken_back(view)


def _can_go_back(view: View) -> bool:
    """Whether a rollback has somebody to take back, and isn't refused because one of them can't come back."""
    moved = view.of(*MOVED)
    return bool(moved) and all(view.plan.tenants[row.tenant].undo != "one-way" for row in moved)


def _charged(row: Row) -> bool:
    """Whether it counts as a failure: it failed, or it was moved, became sick while it was watched, and is being taken
    back."""
    return row.state in FAILURES or (row.state is _S.REVERTING and row.cause is not None)


def _failed(view: View) -> list[Row]:
    return [row for row in view.rows.values() if _charged(row)]


def _taken_back(view: View) -> Decision | None:
    """Within the budget, too, nothing is begun until it is clear how that ended."""
    rows = view.of(_S.REVERTING)
    if not rows:
        return None
    return Decision(cause=f"nothing is begun meanwhile: {told(rows[0])}", hint=view.verb("status"))


def _broken(view: View) -> tuple[str, str] | None:
    for row in view.of(_S.BROKEN):
        return row.tenant, f"{told(row)}; it isn't as before"
    return None


def _same_cause(view: View) -> tuple[str, str] | None:
    seen: dict[str, Row] = {}
    for row in _failed(view):
        if row.cause is None:
            continue
        first = seen.setdefault(fingerprint(row.cause, row.tenant), row)
        if first is not row:
            return first.tenant, f"{first.tenant} and {row.tenant} failed of the same cause: {first.cause}"
    return None


def _over_budget(view: View) -> tuple[str, str] | None:
    plan = view.plan
    for wave in plan.waves:
        failed = [row for row in view.wave(wave) if _charged(row)]
        budget = plan.strategy.wave_budget(len(wave.tenants))
        if len(failed) > budget:
            return failed[0].tenant, f"{told(failed[0])} ({_count(len(failed), budget)} in {wave_name(wave)})"
    failed, budget = _failed(view), plan.strategy.total_budget(len(plan.tenants))
    if len(failed) > budget:
        return failed[0].tenant, f"{told(failed[0])} ({_count(len(failed), budget)} in the whole rollout)"
    return None


def _unknown(view: View) -> tuple[str, str] | None:
    for row in view.of(_S.INCONCLUSIVE):
        return row.tenant, f"it can't be told how {row.tenant} ended: {row.cause or 'no cause is known'}"
    return None


def _not_so_own(view: View) -> tuple[str, str] | None:
    causes: dict[str, list[Row]] = {}
    for row in view.of(_S.QUARANTINED):
        own = own_cause(row.cause or "") or fingerprint(row.cause or "", row.tenant)
        causes.setdefault(own, []).append(row)
    for own, rows in causes.items():
        if len(rows) >= SAME_OWN:
            return rows[0].tenant, f"{names(rows)} quarantined for one cause ({own}), which may not be their own"
    return None


def _count(failed: int, budget: int) -> str:
    return f"{failed} failed, {budget or 'none'} may,"
