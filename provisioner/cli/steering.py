"""What operators do with a rollout that was begun: pause, resume, retry, skip, abort, roll back."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import typer

from provisioner.cli.ask import confirm, type_again
from provisioner.cli.framework import Session
from provisioner.cli.rolling import carried_on, operator, tell_edits
from provisioner.cli.rollout_status import RolloutView, look, who
from provisioner.cli.running import tell_callers
from provisioner.cli.tables import pairs
from provisioner.model.errors import UsageError
from provisioner.model.rollout.record import RolloutRecord
from provisioner.model.rollout.states import DRIVEN, OVER, RolloutStatus
from provisioner.ops.rollout import verbs
from provisioner.ops.rollout.before import losses
from provisioner.ops.rollout.find import find, lease_of


def paused(session: Session, rollout_id: str | None, reason: str | None) -> RolloutView:
    """Begin nothing new."""
    record = find(session.app, rollout_id)
    verbs.pause(session.app, record, operator(reason))
    return _followed_at_once(session, record, RolloutStatus.PAUSED)


def resumed(session: Session, rollout_id: str | None, *, detach: bool) -> RolloutView:
    """Go on."""
    record = _open(session, rollout_id)
    tell_edits(session, record)
    _tell_callers(session, record)
    verbs.resume(session.app, record)
    return carried_on(session, record.id, detach=detach)


def retried(session: Session, rollout_id: str | None, tenants: Sequence[str], *, detach: bool) -> RolloutView:
    """Try again, and go on."""
    record = _open(session, rollout_id)
    _tell_callers(session, record)
    again = verbs.retry(session.app, record, tenants)
    typer.echo(f"tried again: {', '.join(again)}", err=True)
    return carried_on(session, record.id, detach=detach)


def skipped(session: Session, rollout_id: str | None, tenants: Sequence[str]) -> RolloutView:
    """Leave them out."""
    record = _open(session, rollout_id)
    verbs.skip(session.app, record, tenants)
    if record.status not in DRIVEN:
        typer.echo(f"left out as soon as it goes on: provision rollout resume {record.id}", err=True)
        return look(session.app, record.id)
    return _followed_at_once(session, record)


def aborted(session: Session, rollout_id: str | None, reason: str | None) -> RolloutView:
    """End it."""
    record = _open(session, rollout_id)
    verbs.abort(session.app, record, operator(reason))
    return _followed_at_once(session, record, RolloutStatus.ABORTED)


def rolled_back(session: Session, rollout_id: str | None, *, accept_loss: bool) -> RolloutView:
    """Take back who was moved, after what that loses was said and accepted."""
    record = find(session.app, rollout_id)
    tenants, plan = verbs.moved(record), record.plan
    if all(plan.tenants[t].undo != "one-way" for t in tenants):
        _tell_losses(losses(session.app, plan, tenants))
        _tell_callers(session, record)
        if all(plan.tenants[t].undo == "code-only" for t in tenants):
            confirm(f"Take {len(tenants)} tenant(s) back from {plan.release}?", yes=session.yes)
        elif not accept_loss:
            type_again("the rollout's id", record.id, None, option=f"to lose that: {_back(record)} --accept-loss")
    verbs.rollback(session.app, record)
    if record.moves_channel:
        words = f"channel {plan.channel} goes back to {plan.channel_from} when all are back, if it is at {plan.release}"
        typer.echo(words, err=True)
    return carried_on(session, record.id)


def _back(record: RolloutRecord) -> str:
    return f"provision rollout rollback {record.id}"


def _open(session: Session, rollout_id: str | None) -> RolloutRecord:
    """Raises UsageError for one that is over."""
    record = find(session.app, rollout_id)
    if record.status in OVER:
        raise UsageError(
            f"rollout {record.id} {record.plan.what} is over: {record.status}",
            hint=f"provision rollout status {record.id}",
        )
    return record


def _followed_at_once(session: Session, record: RolloutRecord, wanted: RolloutStatus | None = None) -> RolloutView:
    """A wish takes effect through whoever drives it: somebody else, or, where nobody does, this process. That it got to
    where it was `wanted` is no failure."""
    driver = session.app.ledger.lease(lease_of(record.id))
    if driver is not None:
        words = f"{who(driver)} drives it, and follows within seconds; what is under way ends first"
        typer.echo(words, err=True)
        return look(session.app, record.id)
    view = carried_on(session, record.id)
    return replace(view, failure=None) if view.record.status is wanted else view


def _tell_callers(session: Session, record: RolloutRecord) -> None:
    registry = session.app.registry().load()
    tell_callers(session, [t for t in registry.tenants() if t.id in record.plan.tenants])


def _tell_losses(lost: Mapping[str, str]) -> None:
    """For each tenant, on stderr; those of one loss together."""
    from rich.console import Console

    alike: dict[str, list[str]] = {}
    for tenant, words in lost.items():
        alike.setdefault(words, []).append(tenant)
    told = [(f"{len(tenants)} tenant(s)", f"{', '.join(tenants)}\n{words}") for words, tenants in alike.items()]
    pairs(Console(stderr=True, highlight=False), told)
