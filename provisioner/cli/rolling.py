"""What the commands that begin or look at rollouts do and print."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import typer

from provisioner.cli.ask import confirm
from provisioner.cli.boundary import say
from provisioner.cli.following import followed
from provisioner.cli.framework import Selection, Session
from provisioner.cli.progress import progress
from provisioner.cli.results import Table, exit_code
from provisioner.cli.rollout_plan import Planned, show_short
from provisioner.cli.rollout_status import RolloutList, RolloutView, look, unwell
from provisioner.cli.running import tell_callers
from provisioner.cli.selection import Chosen, chosen, here, selector
from provisioner.ledger.holder import current_holder
from provisioner.model.errors import ExitCode, LeaseHeldError, LeaseLostError, ProvisionError, UsageError
from provisioner.model.recovery import Verdict
from provisioner.model.rollout.frozen import RolloutPlan
from provisioner.model.rollout.record import RolloutRecord
from provisioner.model.rollout.states import DRIVEN, OVER, RolloutStatus
from provisioner.model.selector import select
from provisioner.ops import rehearse as rehearsing
from provisioner.ops.rollout import verbs
from provisioner.ops.rollout.drive import drive
from provisioner.ops.rollout.find import lease_of
from provisioner.ops.rollout.previews import preview
from provisioner.ops.rollout.propose import Words, check, propose
from provisioner.ops.rollout.since import edited

_EDITS = 10
_REHEARSED = ["tenant", "verdict", "point", "findings", "next"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is said of a rollout that isn't begun yet. `fast` asks for short bake times, and `reason` says why;
    `mend`: who is ill is moved, too."""

    release: str
    ids: Sequence[str] = ()
    channel: str | None = None
    strategy: str | None = None
    fast: bool = False
    reason: str | None = None
    mend: bool = False


def planned(session: Session, selection: Selection, asked: Asked, *, previews: bool) -> Planned:
    """The plan; with previews where they were asked for."""
    picked, found = _proposed(session, selection, asked)
    if not previews:
        return found
    return replace(found, previews=preview(session.app, picked.registry, found.plan))


def started(session: Session, selection: Selection, asked: Asked, *, detach: bool) -> RolloutView:
    """Ask, record it, and drive it unless somebody else shall."""
    picked, found = _proposed(session, selection, asked)
    return begin(session, picked, found, detach=detach)


def begin(session: Session, picked: Chosen, found: Planned, *, detach: bool) -> RolloutView:
    """The same of a plan, whatever its work is."""
    plan = found.plan
    check(plan)
    _tell(found)
    tell_callers(session, [t for t in picked.tenants if t.id in plan.tenants])
    confirm(_question(plan), yes=session.yes)
    record = verbs.start(session.app, plan, operator())
    typer.echo(f"rollout {record.id} is recorded", err=True)
    return carried_on(session, record.id, detach=detach)


def carried_on(session: Session, rollout_id: str, *, detach: bool = False) -> RolloutView:
    """Drive a rollout until it stops; where somebody else does, follow it."""
    house = session.app
    if detach:
        words = f"a worker (`provision worker`) carries it on; follow it: provision rollout status {rollout_id} --watch"
        typer.echo(words, err=True)
        return look(house, rollout_id)
    try:
        with progress(brief=True) as sink:
            drive(house, rollout_id, sink)
    except (LeaseHeldError, LeaseLostError) as error:
        typer.echo(f"{error.message}: it is followed from here", err=True)
        view = followed(house, rollout_id)
    except KeyboardInterrupt:
        say("interrupted; nothing new is begun", hint=f"it goes on with: provision rollout resume {rollout_id}")
        raise typer.Exit(int(ExitCode.INTERRUPTED)) from None
    else:
        view = look(house, rollout_id)
    return replace(view, failure=unwell(view.record))


def status(session: Session, rollout_id: str | None, *, watch: bool, wide: bool) -> RolloutView:
    """Where a rollout is."""
    view = look(session.app, rollout_id, wide=wide)
    said = tell_edits(session, view.record)
    if watch and view.record.status in DRIVEN:
        view = followed(session.app, view.record.id, wide=wide)
    return replace(view, edits=said, failure=unwell(view.record))


def listed(session: Session, *, open_ones: bool, limit: int) -> RolloutList:
    """Rollouts, newest first."""
    ledger = session.app.ledger
    statuses = [s for s in RolloutStatus if s not in OVER] if open_ones else []
    found = ledger.rollouts(statuses=statuses, limit=limit)
    return RolloutList([RolloutView(record, ledger.lease(lease_of(record.id))) for record in found])


def rehearsed(session: Session, selection: Selection, ids: Sequence[str], release: str, *, at_once: int) -> Table:
    """Rehearse the upgrade of the selected, and tell."""
    picked = chosen(session, selection, ids)
    picked.registry.release(release)
    with progress(brief=True) as sink:
        done = rehearsing.rehearse(session.app, picked.registry, picked.tenants, release, sink, at_once=at_once)
    failed = exit_code(d.error for d in done)
    if not failed and any(d.verdict is not Verdict.PASSED for d in done):
        failed = ExitCode.FAILED
    return Table(_REHEARSED, [_rehearsed_row(d) for d in done], failed)


def tell_edits(session: Session, record: RolloutRecord) -> tuple[str, ...]:
    """What the registry says otherwise since an open rollout was started: warnings on stderr. Returns them."""
    if record.status in OVER:
        return ()
    try:
        found = edited(session.app, session.app.registry().load(), record)
    except ProvisionError as error:
        found = [f"what the registry says by now couldn't be told: {error.message}"]
    for words in found[:_EDITS]:
        warn(f"{words} (the rollout keeps the plan that it was started with)")
    if len(found) > _EDITS:
        warn(f"and {len(found) - _EDITS} more differences (--output json has them all)")
    return tuple(found)


def warn(words: str) -> None:
    """A line on stderr."""
    typer.echo(typer.style("warning", fg="yellow", bold=True) + f": {words}", err=True)


def operator(reason: str | None = None) -> str:
    """Who says it, and why."""
    holder, actor = current_holder(), os.environ.get("GITHUB_ACTOR")
    by = f"{actor} (GitHub Actions)" if actor else f"{holder.user}@{holder.host}"
    return f"{by}: {reason}" if reason else by


def _proposed(session: Session, selection: Selection, asked: Asked) -> tuple[Chosen, Planned]:
    """The plan by registry and ledger alone."""
    picked = meant(session, selection, asked.ids, fast=asked.fast, reason=asked.reason)
    whole = not selector(selection, asked.ids).narrows
    said = Words(asked.release, asked.channel, asked.strategy, asked.reason, whole=whole, mend=asked.mend)
    return picked, Planned(propose(session.app, picked.registry, picked.tenants, said))


def meant(
    session: Session, selection: Selection, ids: Sequence[str], *, fast: bool = False, reason: str | None = None
) -> Chosen:
    """Tenants of this command's ledger: without a word that narrows all of them. Raises UsageError where `fast` and its
    `reason` aren't both there."""
    if fast != (reason is not None):
        raise UsageError("--fast and --reason belong together", hint='--fast --reason "why nobody can wait longer"')
    house, words = session.app, selector(selection, ids)
    registry = house.registry().load()
    everyone = registry.tenants()
    return Chosen(house, registry, here(house, select(everyone, words) if words.narrows else everyone))


def _tell(found: Planned) -> None:
    """What is about to be begun, on stderr: stdout is for the result."""
    from rich.console import Console

    show_short(found, Console(stderr=True, highlight=False))


def _question(plan: RolloutPlan) -> str:
    if not plan.waves:
        return f"Nobody has to be moved. Move channel {plan.channel} to {plan.release}?"
    if plan.work == "patch":
        when = ", outside of their windows and in freezes, too" if plan.now else ""
        return f"Patch {len(plan.tenants)} tenant(s), in {len(plan.waves)} wave(s){when}?"
    return f"Move {len(plan.tenants)} tenant(s) to {plan.release}, in {len(plan.waves)} wave(s)?"


def _rehearsed_row(done: rehearsing.Rehearsed) -> dict[str, Any]:
    evidence: Any = done.evidence or {}
    checks = evidence.get("checks", [])
    words = [f"{c['name']}: {c['detail']}" for c in checks if not c["ok"]]
    return {
        "tenant": done.tenant,
        "verdict": str(done.verdict) if done.verdict else "error",
        "point": evidence.get("point"),
        "findings": done.error.message if done.error else "; ".join(words),
        "next": done.error.hint if done.error else None,
        "checks": checks,
        "seconds": evidence.get("seconds"),
        "evidence": evidence.get("evidence"),
        "hash": evidence.get("hash"),
    }
